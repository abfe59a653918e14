//: sf_series
/* c[0] + c[1]*T1(t) + ... + c[n - 1]*T(n - 1)(t), by Clenshaw's recurrence (MTAC 9, 1955). */
SPECIAL double sf_series(const double *c, int n, double t)
{
    double b0 = 0.0, b1 = 0.0;
    for (int k = n - 1; k > 0; k--) {
        const double b2 = b1;
        b1 = b0;
        b0 = 2.0*t*b1 - b2 + c[k];
    }
    return t*b0 - b1 + c[0];
}

//: sf_digamma_tail
/* log(x) - 1/(2*x) - digamma(x) for x >= 10, DLMF 5.11.2. */
SPECIAL double sf_digamma_tail(double x)
{
    const double u = 1.0/x/x;
    return u*(0.08333333333333333 - u*(0.008333333333333333 - u*(0.003968253968253968 - u*(0.004166666666666667
        - u*(0.007575757575757576 - u*(0.021092796092796094 - u*0.08333333333333333))))));
}

//: sf_digamma
/* Recurrence, reflection and asymptotic series, DLMF 5.5.2, 5.5.4, 5.11.2; beside the positive zero x0 a multiple of
 * x - x0.
 */
SPECIAL double sf_digamma(double x)
{
    double sum = 0.0;
    if (x <= 0.0) {
        if (x == 0.0) {
            return -copysign(HUGE_VAL, x);
        }
        if (x == floor(x)) {
            return NAN;
        }
        sum = -3.141592653589793/tan(3.141592653589793*(x - rint(x)));
        x = 1.0 - x;
    }
    if (x < 1.0) {
        sum -= 1.0/x;
        x += 1.0;
    }
    while (x > 2.0 && x < 10.0) {
        x -= 1.0;
        sum += 1.0/x;
    }
    if (x <= 2.0) {
        const double rest = (x - 1.4616321449683622) - 9.549995429965697e-17;
        return sum + rest*sf_series(sf_digamma_table, sizeof sf_digamma_table/sizeof(double), 2.0*x - 3.0);
    }
    return sum + (log(x) - 0.5/x - sf_digamma_tail(x));
}

//: sf_digamma_tail_gap
/* sf_digamma_tail(a) - sf_digamma_tail(a + b): for small b by the factor 1/a**2 - 1/(a + b)**2 of the difference. */
SPECIAL double sf_digamma_tail_gap(double a, double b)
{
    static const double c[7] = { /* as in sf_digamma_tail */
        0.08333333333333333, -0.008333333333333333, 0.003968253968253968, -0.004166666666666667,
        0.007575757575757576, -0.021092796092796094, 0.08333333333333333,
    };
    if (b > a) {
        return sf_digamma_tail(a) - sf_digamma_tail(a + b);
    }
    const double u = 1.0/a/a, v = 1.0/(a + b)/(a + b);
    double power = 1.0, mixed = 1.0, sum = c[0]; /* mixed: u**k + u**(k - 1)*v + ... + v**k */
    for (int k = 1; k < 7; k++) {
        power *= v;
        mixed = u*mixed + power;
        sum += c[k]*mixed;
    }
    return b/a*(2.0 + b/a)*v*sum;
}

//: sf_digamma_rise
/* digamma(a + b) - digamma(a) less log(1 + b/from), in positive terms: by recurrence up to from >= 10, DLMF 5.5.2, then by
 * the asymptotic series.
 */
SPECIAL double sf_digamma_rise(double a, double b, double *from)
{
    double sum = 0.0;
    while (a < 10.0) {
        sum += b/a/(a + b);
        a += 1.0;
    }
    *from = a;
    return sum + (0.5*b/a/(a + b) + sf_digamma_tail_gap(a, b));
}

//: sf_digamma_gap
/* digamma(a + b) - digamma(a). */
SPECIAL double sf_digamma_gap(double a, double b)
{
    if (!(a > 0.0 && b >= 0.0) || isinf(a) || isinf(b)) {
        return sf_digamma(a + b) - sf_digamma(a);
    }
    double from;
    const double rise = sf_digamma_rise(a, b, &from);
    return rise + log1p(b/from);
}

//: sf_hurwitz
/* The sum of (unit/(a + k))**s for s > 1 and a > 0, by Euler and Maclaurin (DLMF 25.11.5): all its large terms are
 * positive. With unit = a it neither overflows nor underflows.
 */
SPECIAL double sf_hurwitz(double s, double a, double unit)
{
    static const double c[12] = { /* B(2*j)/(2*j)! */
        0.08333333333333333, -0.001388888888888889, 3.306878306878307e-05, -8.267195767195768e-07,
        2.08767569878681e-08, -5.284190138687493e-10, 1.3382536530684679e-11, -3.3896802963225827e-13,
        8.586062056277845e-15, -2.174868698558062e-16, 5.5090028283602295e-18, -1.3954464685812522e-19,
    };
    const double start = 10.0 + 0.5*s;
    double sum = 0.0;
    while (a < start) {
        const double term = unit == 1.0 ? pow(a, -s) : pow(unit/a, s);
        sum += term;
        if (term*(1.0 + a/(s - 1.0)) <= 1e-18*sum) {
            return sum;
        }
        a += 1.0;
    }
    const double power = unit == 1.0 ? pow(a, -s) : pow(unit/a, s);
    double rest = 0.5*power, factor = s*power/a;
    for (int j = 0; j < 12; j++) {
        const double term = c[j]*factor;
        rest += term;
        if (fabs(term) < 1e-18*rest) {
            break;
        }
        factor *= (s + (2*j + 1))/a*((s + (2*j + 2))/a);
    }
    return sum + (a/(s - 1.0)*power + rest);
}

//: sf_polygamma
/* (-1)**(n + 1)*n!*zeta(n + 1, x), DLMF 25.11.12; on the left the sum over all whole numbers less that over the others. */
SPECIAL double sf_polygamma(double n, double x)
{
    if (!(n >= 0.0 && n <= 1e6) || n != floor(n) || x != x) {
        return NAN;
    }
    if (n == 0.0) {
        return sf_digamma(x);
    }
    const double s = n + 1.0;
    const int odd = fmod(n, 2.0) != 0.0;
    double sum;
    if (x > 0.0 && n > 20.0 && !isinf(x)) {
        const double root = pow(x, -0.5*s); /* its square alone may overflow or underflow */
        const double scale = n < 170.0 ? tgamma(s)*root*root : exp(lgamma(s) - s*log(x));
        const double size = scale*sf_hurwitz(s, x, x);
        return odd ? size : -size;
    }
    if (x > 0.0) {
        sum = isinf(x) ? 0.0 : sf_hurwitz(s, x, 1.0);
    } else if (x == floor(x)) {
        /* odd orders have poles of one sign */
        return odd && !isinf(x) ? HUGE_VAL : x == 0.0 ? -copysign(HUGE_VAL, x) : NAN;
    } else {
        const double f = x - floor(x), sign = odd ? 1.0 : -1.0;
        const double to_left = f < 0.5 ? 1.0 - f : floor(x) + 1.0 - x;
        /* at half-integers the first two may cancel to nothing, and the third is left */
        sum = (sf_hurwitz(s, f, 1.0) + sign*sf_hurwitz(s, to_left, 1.0)) - sign*sf_hurwitz(s, 1.0 - x, 1.0);
    }
    const double size = n < 160.0 ? tgamma(s)*sum : copysign(exp(lgamma(s) + log(fabs(sum))), sum);
    return odd ? size : -size;
}

//: sf_stirling
/* log(gamma(x)) - (x - 1/2)*log(x) + x - log(2*pi)/2 for x >= 10, DLMF 5.11.1. */
SPECIAL double sf_stirling(double x)
{
    const double u = 1.0/x/x;
    return (0.08333333333333333 - u*(0.002777777777777778 - u*(0.0007936507936507937 - u*(0.0005952380952380953
        - u*(0.0008417508417508417 - u*(0.0019175269175269176 - u*0.00641025641025641))))))/x;
}

//: sf_gamma_quotient
/* log(gamma(q)/gamma(p + q)) for q >= 10 and p >= 0, from the series of both. */
SPECIAL double sf_gamma_quotient(double p, double q)
{
    return sf_stirling(q) - sf_stirling(p + q) - ((p + q - 0.5)*log1p(p/q) - p) - p*log(q);
}

//: sf_beta_left
/* Where the smaller argument is negative; NaN at the poles of the gamma function. */
SPECIAL double sf_beta_left(double p, double q)
{
    if (q != q || isinf(q) || p == floor(p) || (q <= 0.0 && q == floor(q))) {
        return NAN;
    }
    const double sum = p + q;
    if (sum >= 10.0) {
        return tgamma(p)*exp(sf_gamma_quotient(p, q));
    }
    return sum <= 0.0 && sum == floor(sum) ? 0.0 : tgamma(p)*(tgamma(q)/tgamma(sum));
}

//: sf_lbeta
SPECIAL double sf_lbeta(double a, double b)
{
    const double p = a < b ? a : b, q = a < b ? b : a;
    if (p < 0.0) {
        return sf_beta_left(p, q) == sf_beta_left(p, q) ? lgamma(p) + (lgamma(q) - lgamma(p + q)) : NAN;
    }
    if (!(p >= 0.0) || q != q) {
        return NAN;
    }
    if (p == 0.0) {
        return isinf(q) ? NAN : HUGE_VAL;
    }
    if (isinf(q)) {
        return -HUGE_VAL;
    }
    if (p >= 10.0) {
        const double h = p/q;
        const double bend = sf_stirling(p) + (sf_stirling(q) - sf_stirling(p + q));
        return (0.9189385332046728 - 0.5*log(q) + bend) + ((p - 0.5)*log(h/(1.0 + h)) - q*log1p(h));
    }
    if (q >= 10.0) {
        return lgamma(p) + sf_gamma_quotient(p, q);
    }
    return p < 1e-300 ? log1p(p/q) - log(p) : log(tgamma(p)*(tgamma(q)/tgamma(p + q)));
}

//: sf_beta
SPECIAL double sf_beta(double a, double b)
{
    const double p = a < b ? a : b, q = a < b ? b : a;
    if (p < 0.0) {
        return sf_beta_left(p, q);
    }
    if (!(p >= 0.0) || q != q) {
        return NAN;
    }
    if (p < 1e-300) {
        return isinf(q) || q == 0.0 ? q == 0.0 ? HUGE_VAL : p == 0.0 ? NAN : 0.0 : (1.0 + p/q)/p;
    }
    if (p >= 10.0 || isinf(q)) {
        return isinf(q) ? 0.0 : exp(sf_lbeta(p, q));
    }
    if (q >= 10.0) {
        return tgamma(p)*exp(sf_gamma_quotient(p, q));
    }
    return tgamma(p)*(tgamma(q)/tgamma(p + q));
}

//: sf_zeta
/* Hurwitz' zeta function for s > 1; Riemann's, a = 1, for all s, by reflection (DLMF 25.4.1) on the left. */
SPECIAL double sf_zeta(double s, double a)
{
    if (s > 1.0) {
        if (!(a > 0.0)) {
            return NAN;
        }
        if (isinf(s) || isinf(a)) {
            return isinf(a) || a > 1.0 ? 0.0 : a == 1.0 ? 1.0 : HUGE_VAL;
        }
        return sf_hurwitz(s, a, 1.0);
    }
    if (s == 1.0 && a > 0.0) {
        return HUGE_VAL;
    }
    if (a != 1.0 || !(s < 1.0) || isinf(s)) {
        return NAN;
    }
    if (s >= 0.0) {
        /* Euler and Maclaurin again, in the order in which the poles at s = 1 are added last */
        double sum = 0.0;
        for (int k = 1; k < 12; k++) {
            sum += pow(k, -s);
        }
        const double power = pow(12.0, -s);
        double factor = s*power/12.0;
        sum += 0.5*power + factor*0.08333333333333333;
        factor *= (s + 1.0)*(s + 2.0)/144.0;
        sum -= factor*0.001388888888888889;
        factor *= (s + 3.0)*(s + 4.0)/144.0;
        sum += factor*3.306878306878307e-05;
        factor *= (s + 5.0)*(s + 6.0)/144.0;
        sum -= factor*8.267195767195768e-07;
        factor *= (s + 7.0)*(s + 8.0)/144.0;
        sum += factor*2.08767569878681e-08;
        factor *= (s + 9.0)*(s + 10.0)/144.0;
        sum -= factor*5.284190138687493e-10;
        return sum + 12.0*power/(s - 1.0);
    }
    const double quarter = fmod(s, 4.0);
    if (fmod(s, 2.0) == 0.0) {
        return 0.0;
    }
    const double wave = sin(1.5707963267948966*quarter);
    if (s < -100.0) { /* the gamma function overflows before the product: DLMF 5.5.5 */
        const double half = 0.5*(1.0 - s);
        const double size = pow(3.141592653589793, s - 1.5)*tgamma(half)*tgamma(half + 0.5);
        return s < -300.0 ? copysign(HUGE_VAL, wave) : wave*size*sf_hurwitz(1.0 - s, 1.0, 1.0);
    }
    return 0.3183098861837907*wave*pow(6.283185307179586, s)*tgamma(1.0 - s)*sf_hurwitz(1.0 - s, 1.0, 1.0);
}

//: sf_log1p_rest
/* x - log(1 + x), which is x*r - 2*r**3*(1/3 + r**2/5 + ...) with r = x/(2 + x); 1 + x is given, for near -1 x does not
 * tell it.
 */
SPECIAL double sf_log1p_rest(double x, double one_and_x)
{
    if (x < -0.4 || x > 0.6) {
        return x - log(one_and_x);
    }
    const double r = x/(2.0 + x), r2 = r*r;
    double sum = 0.0;
    for (int k = 27; k >= 3; k -= 2) {
        sum = sum*r2 + 1.0/k;
    }
    return r*(x - 2.0*r2*sum);
}

//: sf_gamma_density
/* x**(a - 1)*exp(-x)/gamma(a); for large a by the distance of x from a, so that no exponent is larger than it must be
 * (idea: Loader, Fast and accurate computation of binomial probabilities, 2000).
 */
SPECIAL double sf_gamma_density(double a, double x)
{
    if (!(x >= 0.0) || a != a || isinf(a)) {
        return NAN;
    }
    if (x == 0.0) {
        return a > 1.0 ? 0.0 : a == 1.0 ? 1.0 : a > 0.0 ? HUGE_VAL : NAN;
    }
    if (isinf(x) || (a <= 0.0 && a == floor(a))) {
        return 0.0;
    }
    if (a > 0.0 && a < 1.0) {
        return a*(pow(x, a)*exp(-x)/tgamma(1.0 + a))/x;
    }
    if (a < 10.0) {
        const double half = exp(-0.5*x); /* exp(-x) would be subnormal before the product is */
        return x < 700.0 ? pow(x, a - 1.0)*exp(-x)/tgamma(a) : half == 0.0 ? 0.0 : pow(x, a - 1.0)*half*half/tgamma(a);
    }
    return 0.3989422804014327*sqrt(a)*exp(-a*sf_log1p_rest((x - a)/a, x/a) - sf_stirling(a))/x;
}

//: sf_gamma_fraction
/* The continued fraction of DLMF 8.9.2 for x >= max(a, 1.1) with Lentz' algorithm (Applied Optics 15, 1976), and how many
 * terms it took. NaN where a million are too few: beyond a of about 1e10, beside x.
 */
SPECIAL double sf_gamma_fraction(double a, double x, int *terms)
{
    double b = x + 1.0 - a, c = 1e300, d = 1.0/b, h = d;
    for (int k = 1; k < 1000000; k++) {
        const double n = k*(a - k);
        b += 2.0;
        d = 1.0/(n*d + b);
        c = b + n/c;
        const double factor = c*d;
        h *= factor;
        if (fabs(factor - 1.0) < 2e-16) {
            *terms = k;
            return h;
        }
    }
    return NAN;
}

//: sf_gamma_tail
/* gamma(a, x)/gamma(a) for x >= max(a, 1.1). */
SPECIAL double sf_gamma_tail(double a, double x)
{
    int terms;
    return sf_gamma_density(a, x)*x*sf_gamma_fraction(a, x, &terms);
}

//: sf_gamma_head
/* The regularised lower function by its series of positive terms, DLMF 8.7.1. */
SPECIAL double sf_gamma_head(double a, double x)
{
    double sum = 1.0, term = 1.0;
    for (int k = 1; k < 1000000; k++) {
        term *= x/(a + k);
        sum += term;
        if (term < 1e-17*sum) {
            return sum*(a < 10.0 ? pow(x, a)*exp(-x)/tgamma(a + 1.0) : sf_gamma_density(a, x)*(x/a));
        }
    }
    return NAN;
}

//: sf_gammainc
SPECIAL double sf_gammainc(double a, double x)
{
    if (!(a > 0.0 && x >= 0.0) || isinf(a)) {
        return NAN;
    }
    if (x == 0.0 || isinf(x)) {
        return x == 0.0 ? 0.0 : 1.0;
    }
    return x >= a && x >= 1.1 ? 1.0 - sf_gamma_tail(a, x) : sf_gamma_head(a, x);
}

//: sf_gammaincc
/* For small a and x 1 - x**a/gamma(1 + a) and the rest of the series DLMF 8.7.1 are taken apart, for the sum 1 - P
 * would lose all digits as a goes to 0 (Gautschi, ACM TOMS 5, 1979).
 */
SPECIAL double sf_gammaincc(double a, double x)
{
    if (!(a > 0.0 && x >= 0.0) || isinf(a)) {
        return NAN;
    }
    if (x == 0.0 || isinf(x)) {
        return x == 0.0 ? 1.0 : 0.0;
    }
    if (x >= a && x >= 1.1) {
        return sf_gamma_tail(a, x);
    }
    if (a > 1.0) {
        return 1.0 - sf_gamma_head(a, x);
    }
    const double lg = a*(a - 1.0)*sf_series(sf_lgamma1p_table, sizeof sf_lgamma1p_table/sizeof(double), 2.0*a - 1.0);
    const double power = a*log(x) - lg;
    double sum = 0.0, term = 1.0;
    for (int k = 1; k < 60; k++) {
        term *= -x/k;
        sum += term/(a + k);
        if (fabs(term) < 1e-18*fabs(sum)) {
            break;
        }
    }
    return -expm1(power) - exp(power)*a*sum;
}

//: sf_log_ratio
/* log(x/a) from the difference x - a as well. */
SPECIAL double sf_log_ratio(double x, double a, double difference)
{
    return fabs(difference) < 0.5*a ? log1p(difference/a) : log(x/a);
}

//: sf_gammainc_by_shape
/* The derivative of the regularised lower function by a. Below a the series DLMF 8.7.1 by terms, which are of one sign;
 * above the continued fraction and its derivative, from the last term to the first.
 */
SPECIAL double sf_gammainc_by_shape(double a, double x)
{
    if (!(a > 0.0 && x >= 0.0) || isinf(a)) {
        return NAN;
    }
    if (x == 0.0 || isinf(x)) {
        return 0.0;
    }
    const double ratio = a < 10.0 ? 0.0 : sf_log_ratio(x, a, x - a);
    if (x < a || x < 1.1) {
        double weight = a < 10.0 ? sf_digamma(a + 1.0) - log(x) : (0.5/a - sf_digamma_tail(a)) - ratio;
        double term = 1.0, sum = weight;
        for (int k = 1; k < 1000000; k++) {
            term *= x/(a + k);
            weight += 1.0/(a + k);
            sum += term*weight;
            if (term*fabs(weight) < 1e-17*fabs(sum)) {
                return -sum*(a < 10.0 ? pow(x, a)*exp(-x)/tgamma(a + 1.0) : sf_gamma_density(a, x)*(x/a));
            }
        }
        return NAN;
    }
    int terms = 0;
    const double h = sf_gamma_fraction(a, x, &terms);
    const double first = x + 1.0 - a;
    terms += terms/4 + 5; /* the derivative comes a little later to its end */
    double f = first + 2.0*terms, slope = -1.0;
    for (int k = terms; k > 0; k--) {
        const double part = k*(a - k)/f;
        slope = (k - part*slope)/f - 1.0;
        f = first + 2.0*(k - 1) + part;
    }
    const double weight = a < 10.0 ? log(x) - sf_digamma(a) : ratio + (0.5/a + sf_digamma_tail(a));
    return sf_gamma_density(a, x)*x*(slope/f/f - h*weight);
}

//: sf_beta_density
/* x**(a - 1)*(1 - x)**(b - 1)/beta(a, b), for large a and b as sf_gamma_density. */
SPECIAL double sf_beta_density(double a, double b, double x)
{
    if (!(x >= 0.0 && x <= 1.0) || a != a || b != b || isinf(a) || isinf(b)) {
        return NAN;
    }
    const double y = 1.0 - x, sum = a + b;
    if (x == 0.0 || y == 0.0) {
        const double p = x == 0.0 ? a : b, q = x == 0.0 ? b : a;
        return p > 1.0 ? 0.0 : p == 1.0 ? q : p > 0.0 ? HUGE_VAL : NAN;
    }
    if ((a <= 0.0 && a == floor(a)) || (b <= 0.0 && b == floor(b))) {
        return 0.0;
    }
    if (a >= 10.0 && b >= 10.0) {
        const double far = b*x - a*y;
        const double bend = sf_stirling(sum) - sf_stirling(a) - sf_stirling(b);
        const double depth = a*sf_log1p_rest(far/a, sum/a*x) + b*sf_log1p_rest(-far/b, sum/b*y);
        return 0.3989422804014327*sqrt(a/sum*b)*exp(bend - depth)/(x*y);
    }
    const double right = x < 0.5 ? exp((b - 1.0)*log1p(-x)) : pow(y, b - 1.0);
    if (a < 0.0 || b < 0.0) {
        return pow(x, a - 1.0)*right*(tgamma(sum)/tgamma(a)/tgamma(b));
    }
    /* a - 1 is rounded, and a small x magnifies that */
    return a < 1.0 ? pow(x, a)*right/sf_beta(a, b)/x : pow(x, a - 1.0)*right/sf_beta(a, b);
}

//: sf_beta_fraction
/* The continued fraction of DLMF 8.17.22 by Lentz' algorithm, without the factor before it, and how many pairs of terms
 * it took.
 */
SPECIAL double sf_beta_fraction(double a, double b, double x, int *terms)
{
    const double tiny = 1e-300;
    double c = 1.0, d = 1.0 - (a + b)*x/(a + 1.0);
    d = 1.0/(fabs(d) < tiny ? tiny : d);
    double h = d;
    for (int m = 1; m < 1000000; m++) {
        const double even = m*(b - m)*x/((a + 2*m - 1.0)*(a + 2*m));
        d = 1.0 + even*d;
        c = 1.0 + even/c;
        d = 1.0/(fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        h *= c*d;
        const double odd = -(a + m)*(a + b + m)*x/((a + 2*m)*(a + 2*m + 1.0));
        d = 1.0 + odd*d;
        c = 1.0 + odd/c;
        d = 1.0/(fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        const double factor = c*d;
        h *= factor;
        if (fabs(factor - 1.0) < 2e-16) {
            *terms = m;
            return h;
        }
    }
    return NAN;
}

//: sf_betainc
/* The regularised function by the continued fraction on the side of the mean where it converges fast, but directly
 * where what is left of 1 would be little.
 */
SPECIAL double sf_betainc(double a, double b, double x)
{
    if (!(a > 0.0 && b > 0.0 && x >= 0.0 && x <= 1.0) || isinf(a) || isinf(b)) {
        return NAN;
    }
    if (x == 0.0 || x == 1.0) {
        return x;
    }
    int terms;
    const double y = 1.0 - x;
    const double size = sf_beta_density(a, b, x)*x*y;
    if (x > (a + 1.0)/(a + b + 2.0)) {
        const double rest = size*sf_beta_fraction(b, a, y, &terms)/b;
        if (rest < 0.9) {
            return 1.0 - rest;
        }
    }
    return size*sf_beta_fraction(a, b, x, &terms)/a;
}

//: sf_beta_weight
/* log(y) + digamma(a + b) - digamma(b) with y = 1 - x. */
SPECIAL double sf_beta_weight(double a, double b, double x, double y)
{
    double from;
    const double rise = sf_digamma_rise(b, a, &from);
    return rise + sf_log_ratio(y*(a + from), from, a*y - from*x);
}

//: sf_beta_fraction_by
/* The derivative of sf_beta_fraction by a or b, from the last term to the first, as Boik and Robison-Cox (J. Stat. Softw.
 * 3, 1998) differentiate the recurrence.
 */
SPECIAL double sf_beta_fraction_by(double a, double b, double x, int terms, int by_b)
{
    double f = 1.0, slope = 0.0;
    for (int m = terms + terms/4 + 3; m >= 0; m--) {
        const double even = a + 2*m, odd = -(a + m)/even*((a + b + m)/(even + 1.0))*x;
        const double odd_slope = by_b ? 1.0/(a + b + m)
            : 1.0/(a + m) + 1.0/(a + b + m) - 1.0/even - 1.0/(even + 1.0);
        slope = odd/f*(odd_slope - slope/f);
        f = 1.0 + odd/f;
        if (m > 0) {
            const double over = m*x/((even - 1.0)*even), part = over*(b - m);
            slope = ((by_b ? over : -part*(1.0/(even - 1.0) + 1.0/even)) - part*slope/f)/f;
            f = 1.0 + part/f;
        }
    }
    return -slope/f/f;
}

//: sf_betainc_by
/* The derivative of the regularised function by a or b, on the side of the mean where the fraction converges fast. */
SPECIAL double sf_betainc_by(double a, double b, double x, int by_b)
{
    if (!(a > 0.0 && b > 0.0 && x >= 0.0 && x <= 1.0) || isinf(a) || isinf(b)) {
        return NAN;
    }
    if (x == 0.0 || x == 1.0) {
        return 0.0;
    }
    const int beyond = x > (a + 1.0)/(a + b + 2.0);
    const double y = 1.0 - x, size = sf_beta_density(a, b, x)*x*y;
    const double p = beyond ? b : a, q = beyond ? a : b, low = beyond ? y : x, high = beyond ? x : y;
    int terms = 0;
    const double h = sf_beta_fraction(p, q, low, &terms);
    const double weight = by_b != beyond ? sf_beta_weight(p, q, low, high)
        : sf_beta_weight(q, p + 1.0, high, low) - 1.0/(p + q);
    const double slope = size/p*(h*weight + sf_beta_fraction_by(p, q, low, terms, by_b != beyond));
    return beyond ? -slope : slope;
}

//: sf_betainc_by_a
SPECIAL double sf_betainc_by_a(double a, double b, double x)
{
    return sf_betainc_by(a, b, x, 0);
}

//: sf_betainc_by_b
SPECIAL double sf_betainc_by_b(double a, double b, double x)
{
    return sf_betainc_by(a, b, x, 1);
}
