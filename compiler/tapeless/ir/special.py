"""The rows of the special functions in the table of primitives.

What each of them is in mpmath stands in special_meaning.py, its C in `templates/c/special.c`: to add one takes a
row here, its meaning there and a C function `sf_<name>` there. Rules are written with functions of the same family,
so that a derivative of any order stays in the table.
"""

from __future__ import annotations

from typing import Final

from tapeless.ir.primitive import Edge, Primitive, unary

_INF = float("inf")
_UNIT = ((-0.95, 0.95),)

SPECIAL: Final[tuple[Primitive, ...]] = (
    # ---- around the gamma function
    unary("digamma", "y_bar*polygamma(1, x)", "DLMF 5.15.1", domain="x > 0", samples=((0.1, 20.0),), cost=60.0),
    Primitive("digamma_gap", ("a", "b"),
              ("y_bar*(polygamma(1, a + b) - polygamma(1, a))", "y_bar*polygamma(1, a + b)"),
              domain="a > 0 and b >= 0", samples=((0.2, 12.0), (0.2, 12.0)), cost=80.0,
              source="y = digamma(a + b) - digamma(a); DLMF 5.15.1"),
    Primitive("polygamma", ("n", "x"), ("", "y_bar*polygamma(n + 1, x)"), domain="n == floor(n) and n >= 0 and x > 0",
              samples=((0.0, 5.0), (0.2, 20.0)), whole=("n",), cost=200.0, source="DLMF 5.15.1"),
    Primitive("beta", ("a", "b"), ("-y_bar*y*digamma_gap(a, b)", "-y_bar*y*digamma_gap(b, a)"),
              domain="a > 0 and b > 0", samples=((0.2, 6.0), (0.2, 6.0)), commutative=True, cost=150.0,
              source="DLMF 5.12.1, 5.2.2"),
    Primitive("lbeta", ("a", "b"), ("-y_bar*digamma_gap(a, b)", "-y_bar*digamma_gap(b, a)"),
              domain="a > 0 and b > 0", samples=((0.2, 6.0), (0.2, 6.0)), commutative=True, cost=150.0,
              source="the logarithm of beta(a, b); DLMF 5.2.2"),
    # ---- around the error function
    unary("erfinv", "y_bar*(sqrt(pi)/2)*exp(y**2)", "DLMF 7.17.1, 7.2.1", domain="-1 < x < 1", samples=_UNIT,
          cost=60.0, edges=(Edge((1.0,), (_INF,), "truly infinite"),)),
    unary("erfcinv", "-y_bar*(sqrt(pi)/2)*erfcx(y)/x", "DLMF 7.17.2; exp(y**2) would magnify the error of y",
          domain="0 < x < 2", samples=((0.05, 1.95),), cost=60.0),
    unary("erfcx", "-2*y_bar*ierfcx(1, x)", "y = exp(x**2)*erfc(x); DLMF 7.18.9", cost=50.0),
    Primitive("ierfcx", ("n", "x"), ("", "-2*y_bar*(n + 1)*ierfcx(n + 1, x)"), domain="n == floor(n) and n >= -1",
              samples=((0.0, 4.0), (-2.0, 6.0)), whole=("n",), cost=200.0,
              source="exp(x**2) times the n-th repeated integral of erfc; DLMF 7.18.2, 7.18.9"),
    unary("log_ndtr", "y_bar*where(x < 4, sqrt(2/pi)/erfcx(-x/sqrt(2)), gauss(x/2)**2*exp(-y)/sqrt(2*pi))",
          "y = log(erfc(-x/sqrt(2))/2); far right erfcx overflows, and x/2 is exact", cost=80.0),
    unary("ndtri", "y_bar*sqrt(pi/2)*erfcx(-y/sqrt(2))/x", "y = -sqrt(2)*erfcinv(2*x)", domain="0 < x < 1",
          samples=((0.02, 0.98),), cost=70.0),
    unary("dawson", "y_bar*dawson_slope(x)", "DLMF 7.2.5", cost=50.0),
    unary("dawson_slope", "-2*y_bar*(dawson(x) + x*y)", "the derivative of dawson, 1 - 2*x*dawson(x)", cost=60.0),
    # ---- logarithms
    unary("logit", "y_bar/(x*(1 - x))", "y = log(x/(1 - x))", domain="0 < x < 1", samples=((0.02, 0.98),), cost=40.0),
    unary("lambertw", "y_bar*where(x < 1, exp(-y), y/x)/(1 + y)", "DLMF 4.13.4; y*exp(y) = x with y >= -1",
          domain="x*2.718281828459045 > -1", samples=((-0.3, 6.0),), cost=100.0,
          edges=(Edge((0.0,), (1.0,), "limit"),)),
    unary("lambertw_lower", "y_bar*(y/x)/(1 + y)", "DLMF 4.13.4; y*exp(y) = x with y <= -1",
          domain="x*2.718281828459045 > -1 and x < 0", samples=((-0.35, -0.01),), cost=100.0),
    # ---- incomplete gamma and beta functions, regularised
    Primitive("gammainc", ("a", "x"), ("y_bar*gammainc_by_shape(a, x)", "y_bar*gamma_density(a, x)"),
              domain="a > 0 and x >= 0", samples=((0.3, 8.0), (0.1, 12.0)), cost=400.0, source="DLMF 8.2.4, 8.8.13"),
    Primitive("gammaincc", ("a", "x"), ("-y_bar*gammainc_by_shape(a, x)", "-y_bar*gamma_density(a, x)"),
              domain="a > 0 and x >= 0", samples=((0.3, 8.0), (0.1, 12.0)), cost=400.0, source="DLMF 8.2.4, 8.8.14"),
    Primitive("gammainc_by_shape", ("a", "x"), ("", "y_bar*gamma_density(a, x)*(log(x) - digamma(a))"),
              domain="a > 0 and x > 0", samples=((0.3, 8.0), (0.1, 12.0)), cost=600.0,
              source="the derivative of gammainc by a; DLMF 8.7.1, 8.9.2 by terms"),
    Primitive("gamma_density", ("a", "x"),
              ("y_bar*y*(log(x) - digamma(a))", "y_bar*(gamma_density(a - 1, x) - y)"), domain="x > 0",
              samples=((0.3, 8.0), (0.1, 12.0)), cost=150.0, source="y = x**(a - 1)*exp(-x)/gamma(a); DLMF 5.5.1"),
    Primitive("betainc", ("a", "b", "x"),
              ("y_bar*betainc_by_a(a, b, x)", "y_bar*betainc_by_b(a, b, x)", "y_bar*beta_density(a, b, x)"),
              domain="a > 0 and b > 0 and 0 <= x <= 1", samples=((0.3, 6.0), (0.3, 6.0), (0.05, 0.95)), cost=400.0,
              source="DLMF 8.17.1, 8.17.2"),
    *(Primitive(name, ("a", "b", "x"), ("", "", f"y_bar*beta_density(a, b, x)*({rule})"),
                domain="a > 0 and b > 0 and 0 < x < 1", samples=((0.3, 6.0), (0.3, 6.0), (0.05, 0.95)), cost=600.0,
                source=f"the derivative of betainc by {name[-1]}; DLMF 8.17.22 by terms")
      for name, rule in (
          ("betainc_by_a", "log(x) + digamma_gap(a, b)"),
          ("betainc_by_b", "log1p(-x) + digamma_gap(b, a)"),
      )),
    Primitive("beta_density", ("a", "b", "x"),
              ("y_bar*y*(log(x) + digamma_gap(a, b))",
               "y_bar*y*(log1p(-x) + digamma_gap(b, a))",
               "y_bar*(a + b - 1)*(beta_density(a - 1, b, x) - beta_density(a, b - 1, x))"),
              domain="a > 0 and b > 0 and 0 < x < 1", samples=((0.3, 6.0), (0.3, 6.0), (0.05, 0.95)), cost=200.0,
              source="y = x**(a - 1)*(1 - x)**(b - 1)/beta(a, b); DLMF 5.12.1"),
    # ---- exponential integrals
    Primitive("expint", ("n", "x"), ("", "-y_bar*expint(n - 1, x)"), domain="n == floor(n) and x > 0",
              samples=((-2.0, 6.0), (0.1, 9.0)), whole=("n",), cost=200.0, source="DLMF 8.19.2, 8.19.13"),
    unary("expi", "y_bar*exp(x)/x", "DLMF 6.2.5; the principal value", domain="x != 0", samples=((0.1, 9.0),),
          cost=80.0),
    # ---- Bessel functions
    *(Primitive(name, ("v", "x"), ("", rule), domain="x > 0", samples=((-2.5, 6.0), (0.3, 15.0)), cost=600.0,
                source=f"DLMF {where}")
      for name, rule, where in (
          ("besselj", "y_bar*(besselj(v - 1, x) - besselj(v + 1, x))/2", "10.2.2, 10.6.1"),
          ("bessely", "y_bar*(bessely(v - 1, x) - bessely(v + 1, x))/2", "10.2.3, 10.6.1"),
          ("besseli", "y_bar*(besseli(v - 1, x) + besseli(v + 1, x))/2", "10.25.2, 10.29.1"),
          ("besselk", "-y_bar*(besselk(v - 1, x) + besselk(v + 1, x))/2", "10.27.4, 10.29.1"),
      )),
    unary("airyai", "y_bar*airyai_slope(x)", "DLMF 9.2.2", samples=((-6.0, 4.0),),
          cost=600.0),
    unary("airyai_slope", "y_bar*x*airyai(x)", "the derivative of airyai; DLMF 9.2.1", samples=((-6.0, 4.0),),
          cost=600.0),
    unary("airybi", "y_bar*airybi_slope(x)", "DLMF 9.2.3", samples=((-6.0, 4.0),),
          cost=600.0),
    unary("airybi_slope", "y_bar*x*airybi(x)", "the derivative of airybi; DLMF 9.2.1", samples=((-6.0, 4.0),),
          cost=600.0),
    # ---- elliptic integrals, by the parameter m = k**2
    unary("elliptic_k", "y_bar*(y - elliptic_d(x))/(2*(1 - x))", "DLMF 19.2.8, 19.4.1", domain="x < 1",
          samples=((-3.0, 0.95),), cost=80.0),
    unary("elliptic_e", "-y_bar*elliptic_d(x)/2", "DLMF 19.2.8, 19.4.2", domain="x <= 1", samples=((-3.0, 0.95),),
          cost=80.0),
    unary("elliptic_d", "y_bar*where(x == 0, 3*pi/32, (elliptic_k(x) - (2 - x)*y)/(2*x*(1 - x)))",
          "y = (elliptic_k(x) - elliptic_e(x))/x; DLMF 19.2.8, 19.4", domain="x < 1",
          samples=((-3.0, 0.95),), cost=80.0,
          edges=(Edge((0.0,), (0.2945243112740431,), "limit"),)),
    # ---- zeta
    Primitive("zeta", ("s", "a"), ("", "-y_bar*s*zeta(s + 1, a)"), domain="s > 1 and a > 0",
              samples=((1.2, 9.0), (0.2, 9.0)), cost=200.0, source="Hurwitz; DLMF 25.11.1, 25.11.17"),
)  # fmt: skip
"""The rows, in order."""

NAMES: Final = frozenset(row.name for row in SPECIAL)
"""The primitives whose C the emitted text brings along."""
