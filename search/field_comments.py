"""The comments on the fields of a dataclass, as its source has them.

With them, a configuration file describes each field as the source does, and no text exists twice.
"""

import ast
import inspect
import io
import tokenize


def field_comments(section: type) -> dict[str, str]:
    """The comment of each field, the lines above it and the one after it; "" without one."""
    source = inspect.getsource(section)
    comments, has_code = _by_line(source)
    body = ast.parse(source).body[0]
    found: dict[str, str] = {}
    for node in body.body if isinstance(body, ast.ClassDef) else ():
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            first = node.lineno
            while first - 1 in comments and first - 1 not in has_code:
                first -= 1
            above = " ".join(comments[line] for line in range(first, node.lineno))
            behind = range(node.lineno, (node.end_lineno or node.lineno) + 1)
            texts = [above, *(comments[line] for line in behind if line in comments)]
            found[node.target.id] = "; ".join(filter(None, texts))
    return found


def _by_line(source: str) -> tuple[dict[int, str], set[int]]:
    """The comment of each line, and the lines that have code."""
    comments: dict[int, str] = {}
    has_code: set[int] = set()
    layout = (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            comments[token.start[0]] = token.string.removeprefix("#").strip()
        elif token.type not in layout:
            has_code.update(range(token.start[0], token.end[0] + 1))
    return comments, has_code
