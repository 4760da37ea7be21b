"""Inception Score (Salimans et al. 2016) and Fréchet Inception distance (Heusel et al. 2017).

Both are computed in float64 from the features and class probabilities of a feature network.
"""

import numpy as np

_SMALLEST = 1e-300  # below every probability: log(0) counts as 0 * log(0) = 0


def inception_score(probabilities: np.ndarray) -> float:
    """exp(mean over images of KL(p(class | image) | p(class))), from 1 to the classes' number.

    Args:
      probabilities: (images, classes), each row of sum 1.

    Raises:
      ValueError: for another shape, no image, or rows that are not probabilities.
    """
    p = np.asarray(probabilities, np.float64)
    if p.ndim != 2 or not len(p):
        raise ValueError(f"`probabilities` must be (images, classes). Received: shape {p.shape}")
    if not (p >= 0).all() or not np.allclose(p.sum(1), 1.0, atol=1e-3):
        raise ValueError("`probabilities` must not be negative, and each row's sum 1")
    p = p / p.sum(1, keepdims=True)
    logs = np.log(np.maximum(p, _SMALLEST)) - np.log(np.maximum(p.mean(0), _SMALLEST))
    return float(np.exp((p * logs).sum(1).mean()))


def frechet_inception_distance(real: np.ndarray, fake: np.ndarray) -> float:
    """The Fréchet distance of the Gaussians that fit two sets of features.

    Args:
      real: features of real images (images, features), of at least two.
      fake: features of samples (images, features), of at least two.

    Raises:
      ValueError: for other shapes, or features that are not finite.
    """
    for name, features in (("real", real), ("fake", fake)):
        if np.ndim(features) != 2 or len(features) < 2:
            raise ValueError(
                f"`{name}` must be (images, features) of at least two images. "
                f"Received: shape {np.shape(features)}"
            )
        if not np.isfinite(features).all():
            raise ValueError(f"`{name}` must be finite")
    return frechet_distance(*_gaussian(real), *_gaussian(fake))


def frechet_distance(
    mean1: np.ndarray, covariance1: np.ndarray, mean2: np.ndarray, covariance2: np.ndarray
) -> float:
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of two Gaussians.

    The trace of the root is the sum of the square roots of the eigenvalues of the symmetric
    C1^(1/2) C2 C1^(1/2), so that singular covariances are no problem.
    """
    values, vectors = np.linalg.eigh(covariance1)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    eigenvalues = np.linalg.eigvalsh(root @ covariance2 @ root)
    cross = np.sqrt(np.maximum(eigenvalues, 0.0)).sum()
    difference = ((mean1 - mean2) ** 2).sum()
    distance = difference + np.trace(covariance1) + np.trace(covariance2) - 2.0 * cross
    return float(max(distance, 0.0))


def _gaussian(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and unbiased covariance."""
    features = np.asarray(features, np.float64)
    return features.mean(0), np.cov(features, rowvar=False).reshape((features.shape[1],) * 2)
