"""Fractional Gaussian noise with a known Hurst exponent, exact in distribution."""

import numpy as np

from cerberod.analytics.arrays import FloatArray


def fractional_noise(length: int, exponent: float, seed: int, count: int = 1) -> FloatArray:
    """Return `count` rows of noise of unit variance.

    Source: R. Davies and D. Harte, "Tests for Hurst effect", Biometrika 74(1), 1987, appendix: the covariance, made
    circular, has the Fourier transform for eigenvalues, none of which is negative.
    """
    lag = np.arange(length + 1.0)
    twice = 2.0 * exponent
    covariance = 0.5 * ((lag + 1.0) ** twice - 2.0 * lag**twice + np.abs(lag - 1.0) ** twice)
    eigenvalues = np.fft.fft(np.concatenate([covariance, covariance[-2:0:-1]])).real
    assert eigenvalues.min() > -1e-9
    source = np.random.default_rng(seed)
    white = source.normal(size=(count, 2 * length)) + 1j * source.normal(size=(count, 2 * length))
    noise = np.fft.fft(white * np.sqrt(np.maximum(eigenvalues, 0.0) / (2.0 * length)), axis=1)
    return np.asarray(noise.real[:, :length], dtype=np.float64)
