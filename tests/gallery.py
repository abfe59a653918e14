"""Formulas that people really use, each defined once.

Goldens in `generated/` and benchmarks take them from here. Every formula is finite, with finite derivatives
wherever it is differentiable, over the whole of its ranges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Range = tuple[float, float]


@dataclass(frozen=True)
class Entry:
    """A formula of the gallery.

    Attributes
    ----------
    name
        Name of the function, as in the header of `text`.
    text
        The formula, with a header.
    ranges
        Input -> (low, high), where the formula is well-behaved.
    source
        Where the formula comes from, in a few words.
    area
        The field that uses it.
    """

    name: str
    text: str
    ranges: Mapping[str, Range]
    source: str
    area: str


GALLERY: tuple[Entry, ...] = (
    Entry(
        name="line",
        text="line(w, x, b) = w*x + b",
        ranges={"w": (-3, 3), "x": (-3, 3), "b": (-3, 3)},
        source="a straight line; the linear unit",
        area="basics",
    ),
    Entry(
        name="clip",
        text="clip(x, lo, hi) = min(max(x, lo), hi)",
        ranges={"x": (-3, 3), "lo": (-2, -0.5), "hi": (0.5, 2)},
        source="x limited to the interval from lo to hi",
        area="basics",
    ),
    Entry(
        name="rosenbrock",
        text="rosenbrock(x, y) = (1 - x)**2 + 100*(y - x**2)**2",
        ranges={"x": (-2, 2), "y": (-1, 3)},
        source="Rosenbrock, The Computer Journal 3 (1960) 175",
        area="optimisation",
    ),
    # ---- activations
    Entry(
        name="gelu",
        text="gelu(x) = x*(1 + erf(x/sqrt(2)))/2",
        ranges={"x": (-5, 5)},
        source="Hendrycks and Gimpel 2016, x times the normal distribution function",
        area="activations",
    ),
    Entry(
        name="gelu_tanh",
        text="gelu_tanh(x) = x*(1 + tanh(sqrt(2/pi)*(x + 0.044715*x**3)))/2",
        ranges={"x": (-5, 5)},
        source="Hendrycks and Gimpel 2016, the approximation by tanh",
        area="activations",
    ),
    Entry(
        name="silu",
        text="silu(x) = x/(1 + exp(-x))",
        ranges={"x": (-8, 8)},
        source="Elfwing, Uchibe and Doya 2018; swish with beta = 1",
        area="activations",
    ),
    Entry(
        name="softplus",
        text="softplus(x) = log(1 + exp(x))",
        ranges={"x": (-10, 10)},
        source="Dugas et al. 2001",
        area="activations",
    ),
    Entry(
        name="mish",
        text="mish(x) = x*tanh(log(1 + exp(x)))",
        ranges={"x": (-6, 6)},
        source="Misra 2019",
        area="activations",
    ),
    # ---- losses
    Entry(
        name="huber",
        text="huber(r, delta) = where(abs(r) <= delta, r**2/2, delta*(abs(r) - delta/2))",
        ranges={"r": (-4, 4), "delta": (0.5, 2)},
        source="Huber, Annals of Mathematical Statistics 35 (1964) 73",
        area="losses",
    ),
    Entry(
        name="log_cosh",
        text="log_cosh(r) = log1p(2*sinh(r/2)**2)",
        ranges={"r": (-5, 5)},
        source="log(cosh(r)), a smooth stand-in for abs(r), without the cancellation at small r",
        area="losses",
    ),
    Entry(
        name="bce_logits",
        text="bce_logits(z, t) = max(z, 0) - z*t + log1p(exp(-abs(z)))",
        ranges={"z": (-8, 8), "t": (0, 1)},
        source="binary cross-entropy of sigmoid(z) against the target t, written so that exp cannot overflow",
        area="losses",
    ),
    Entry(
        name="student_t",
        text="""
            student_t(x, mu, sigma, nu):
                z = (x - mu)/sigma
                return (nu + 1)/2*log1p(z**2/nu) + log(sigma)
        """,
        ranges={"x": (-3, 3), "mu": (-1, 1), "sigma": (0.5, 2), "nu": (1, 10)},
        source="negative log-likelihood of Student's t without its normalising constant; a robust loss",
        area="losses",
    ),
    # ---- physics and chemistry
    Entry(
        name="lennard_jones",
        text="""
            lennard_jones(epsilon, sigma, x, y, z):
                s6 = (sigma**2/(x**2 + y**2 + z**2))**3
                return 4*epsilon*(s6**2 - s6)
        """,
        ranges={"epsilon": (0.5, 2), "sigma": (0.8, 1.2), "x": (0.6, 2), "y": (0.6, 2), "z": (0.6, 2)},
        source="the 12-6 potential of Lennard-Jones between two atoms a vector (x, y, z) apart",
        area="physics",
    ),
    Entry(
        name="morse",
        text="morse(r, depth, a, r0) = depth*(1 - exp(-a*(r - r0)))**2",
        ranges={"r": (0.5, 4), "depth": (1, 5), "a": (0.5, 2), "r0": (0.8, 1.5)},
        source="Morse, Physical Review 34 (1929) 57",
        area="physics",
    ),
    Entry(
        name="damped",
        text="damped(A, g, w, t) = A*exp(-g*t)*cos(w*t)",
        ranges={"A": (0.5, 2), "g": (0.1, 1), "w": (1, 5), "t": (0, 5)},
        source="displacement of an underdamped oscillator",
        area="physics",
    ),
    Entry(
        name="relativistic_energy",
        text="relativistic_energy(m, p, c) = sqrt((p*c)**2 + (m*c**2)**2)",
        ranges={"m": (0.1, 5), "p": (0.1, 5), "c": (1, 3)},
        source="E**2 = (p c)**2 + (m c**2)**2",
        area="physics",
    ),
    Entry(
        name="van_der_waals",
        text="van_der_waals(n, V, T, a, b) = n*8.31446261815324*T/(V - n*b) - a*(n/V)**2",
        ranges={"n": (0.5, 2), "V": (0.01, 0.05), "T": (250, 600), "a": (0.03, 0.5), "b": (2e-5, 1e-4)},
        source="pressure in Pa of n mol in V m**3 at T K; the gas constant of SI 2019",
        area="physics",
    ),
    Entry(
        name="planck",
        text="""
            planck(wavelength, T):
                c1 = 1.191042972e8
                c2 = 1.438776877e4
                return c1/(wavelength**5*expm1(c2/(wavelength*T)))
        """,
        ranges={"wavelength": (0.3, 3), "T": (1000, 7000)},
        source="Planck's law: spectral radiance in W/(sr m^2 um), wavelength in um; constants of CODATA 2018",
        area="physics",
    ),
    Entry(
        name="hill",
        text="hill(L, K, n) = L**n/(K**n + L**n)",
        ranges={"L": (0.1, 5), "K": (0.5, 2), "n": (1, 4)},
        source="Hill 1910: fraction of bound receptors at ligand concentration L",
        area="chemistry",
    ),
    # ---- finance and statistics
    Entry(
        name="black_scholes",
        text="""
            black_scholes(S, K, r, sigma, T):
                d1 = (log(S/K) + (r + sigma**2/2)*T)/(sigma*sqrt(T))
                d2 = d1 - sigma*sqrt(T)
                return S*erfc(-d1/sqrt(2))/2 - K*exp(-r*T)*erfc(-d2/sqrt(2))/2
        """,
        ranges={"S": (80, 120), "K": (80, 120), "r": (0, 0.1), "sigma": (0.1, 0.5), "T": (0.25, 2)},
        source="Black and Scholes, Journal of Political Economy 81 (1973) 637: a European call",
        area="finance",
    ),
    Entry(
        name="normal_logpdf",
        text="normal_logpdf(x, mu, sigma) = -((x - mu)/sigma)**2/2 - log(sigma) - log(2*pi)/2",
        ranges={"x": (-3, 3), "mu": (-1, 1), "sigma": (0.5, 2)},
        source="logarithm of the normal density",
        area="statistics",
    ),
    Entry(
        name="weibull_logpdf",
        text="weibull_logpdf(x, k, scale) = log(k/scale) + (k - 1)*log(x/scale) - (x/scale)**k",
        ranges={"x": (0.1, 4), "k": (0.7, 4), "scale": (0.5, 2)},
        source="logarithm of the Weibull density",
        area="statistics",
    ),
    # ---- robotics, vision, geodesy
    Entry(
        name="arm",
        text="""
            arm(q1, q2, l1, l2):
                x = l1*cos(q1) + l2*cos(q1 + q2)
                y = l1*sin(q1) + l2*sin(q1 + q2)
                return x, y
        """,
        ranges={"q1": (-3, 3), "q2": (-3, 3), "l1": (0.5, 2), "l2": (0.5, 2)},
        source="forward kinematics of a planar arm of two links",
        area="robotics",
    ),
    Entry(
        name="reproject",
        text="""
            reproject(X, Y, Z, f, k1, k2):
                x = X/Z
                y = Y/Z
                r2 = x**2 + y**2
                scale = f*(1 + k1*r2 + k2*r2**2)
                u = scale*x
                v = scale*y
                return u, v
        """,
        ranges={
            "X": (-1, 1), "Y": (-1, 1), "Z": (2, 10), "f": (400, 900), "k1": (-0.3, 0.3), "k2": (-0.1, 0.1),
        },
        source="pinhole camera with radial distortion, as in bundle adjustment",
        area="vision",
    ),
    Entry(
        name="haversine",
        text="""
            haversine(lat1, lon1, lat2, lon2):
                h = sin((lat2 - lat1)/2)**2 + cos(lat1)*cos(lat2)*sin((lon2 - lon1)/2)**2
                return 2*asin(sqrt(h))
        """,
        ranges={"lat1": (-1.2, -0.1), "lon1": (-1.2, -0.1), "lat2": (0.1, 1.2), "lon2": (0.1, 1.2)},
        source="Sinnott 1984: great-circle distance on the unit sphere, angles in radians",
        area="geodesy",
    ),
)  # fmt: skip

BY_NAME: Mapping[str, Entry] = {entry.name: entry for entry in GALLERY}
"""The gallery by name."""
