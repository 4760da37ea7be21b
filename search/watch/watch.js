// Fetches the parts of the page again and again, and exchanges only the sections that differ.
"use strict";

const SECONDS = { live: 2, report: 5 };
const served = new WeakMap(); // element -> the text that the server sent for it

function exchanged(before, next) {
  const text = next.outerHTML;
  if (before && served.get(before) === text) return before;
  const element = document.importNode(next, true);
  served.set(element, text);
  if (before) {
    before.querySelectorAll("details").forEach((details, place) => {
      const same = element.querySelectorAll("details")[place];
      if (same) same.open = details.open;
    });
    before.replaceWith(element);
    // Places can be set once the element is on the page; the old one has lost its own then.
  }
  return element;
}

function sideways(element) {
  return element ? [...element.querySelectorAll(".scroll")].map((each) => each.scrollLeft) : [];
}

function show(part, sections) {
  const present = new Map([...part.children].map((each) => [each.id, each]));
  sections.forEach((next, place) => {
    const before = present.get(next.id);
    const offsets = sideways(before);
    const element = exchanged(before, next);
    if (part.children[place] !== element) part.insertBefore(element, part.children[place] || null);
    if (element !== before) {
      element.querySelectorAll(".scroll").forEach((each, i) => { each.scrollLeft = offsets[i] || 0; });
    }
    present.delete(next.id);
  });
  present.forEach((gone) => gone.remove());
}

// What is at the top of the window stays there, whatever grows or shrinks above it.
function keepingThePlace(change) {
  const all = () => [...document.querySelectorAll("main > :not(.parts), .parts > *")];
  const top = window.scrollY > 0 && all().find((each) => each.getBoundingClientRect().bottom > 0);
  const height = top && top.getBoundingClientRect().top;
  change();
  const same = top && top.id && document.getElementById(top.id);
  if (same) window.scrollBy(0, same.getBoundingClientRect().top - height);
}

async function refresh(name) {
  const part = document.getElementById(name);
  const headers = part.dataset.tag ? { "If-None-Match": part.dataset.tag } : {};
  const response = await fetch(name, { headers, cache: "no-store" });
  if (response.status === 304) return;
  if (!response.ok) throw new Error(response.statusText);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  part.dataset.tag = response.headers.get("ETag") || "";
  keepingThePlace(() => show(part, [...page.querySelector("main").children]));
}

async function keepFresh(name) {
  const lost = document.getElementById("lost");
  try {
    if (!document.hidden) {
      await refresh(name);
      lost.hidden = true;
    }
  } catch (error) {
    lost.hidden = false;
  }
  setTimeout(keepFresh, 1000 * SECONDS[name], name);
}

Object.keys(SECONDS).forEach(keepFresh);
