"""The same input gives the same numbers: twice in a process, and with one or four threads of linear algebra."""

import subprocess
import sys

import numpy as np

PROGRAM = """
import numpy as np
from cerberod.analytics.black import black_76
from cerberod.analytics.chain import make_chain
from cerberod.analytics.exposure import gamma_exposure, gamma_profile, spot_grid
from cerberod.analytics.implied import implied_volatility
from cerberod.analytics.positioning import max_pain
from cerberod.analytics.smile import make_smile
from cerberod.analytics.svi import fit_svi

rng = np.random.default_rng(3)
n = 1000
strike = np.repeat(np.linspace(20_000.0, 200_000.0, n // 2), 2)
calls = np.tile([True, False], n // 2)
chain = make_chain(
    as_of_ms=0, spot=80_000.0, expiry_ms=[10**10] * n, strike=strike, is_call=calls, forward=[80_500.0] * n,
    volatility=rng.uniform(0.3, 0.9, n), open_interest=rng.uniform(0.0, 500.0, n),
)
k = np.linspace(-0.5, 0.5, 40)
for turn in range(2):
    price = black_76(chain.forward, chain.strike, chain.years, chain.volatility, chain.is_call).price
    fit = fit_svi(make_smile(1.0, 0.3, np.exp(k), 0.5 + 0.3 * k**2 + 0.01 * np.sin(40.0 * k))).parameters
    print(*(float(v).hex() for v in (
        price.sum(),
        np.sum(implied_volatility(price, chain.forward, chain.strike, chain.years, chain.is_call).volatility),
        gamma_exposure(chain).net,
        np.sum(gamma_profile(chain, spot_grid(80_000.0)).net),
        np.sum(max_pain(chain)[0].pain),
        fit.a, fit.b, fit.rho, fit.m, fit.sigma,
    )))
"""


def numbers(threads: str) -> list[list[float]]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), threads),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return [[float.fromhex(word) for word in line.split()] for line in done.stdout.splitlines()]


def test_repeated_and_with_other_threads() -> None:
    """Bit for bit in one process; 1e-12 across numbers of threads, and 1e-9 for what a search found."""
    one, four = numbers("1"), numbers("4")
    assert one[0] == one[1]
    assert four[0] == four[1]
    assert len(one[0]) == 10
    np.testing.assert_allclose(one[0][:5], four[0][:5], rtol=1e-12)
    np.testing.assert_allclose(one[0][5:], four[0][5:], rtol=1e-9)
