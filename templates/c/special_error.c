//: sf_erfcx
/* exp(x*x)*erfc(x): one series over all x >= 0 (Shepherd and Laframboise, Math. Comp. 36, 1981). */
SPECIAL double sf_erfcx(double x)
{
    if (!(x < 0.0)) {
        const double t = isinf(x) ? 1.0 : (x - 3.0)/(x + 3.0);
        return sf_series(sf_erfcx_table, sizeof sf_erfcx_table/sizeof(double), t)/(1.0 + 1.772453850905516*x);
    }
    const double square = x*x, low = fma(x, x, -square);
    if (square > 710.0) {
        return HUGE_VAL;
    }
    const double power = exp(square);
    return 2.0*(power + power*low) - sf_erfcx(-x);
}

//: sf_ierfcx
/* exp(x*x) times the n-th repeated integral of erfc, DLMF 7.18.2, for n < 10000, by the recurrence 7.18.7: forward where that is
 * stable, on the left and near 0, backward (Miller's algorithm) else, from the known value of order -1.
 */
SPECIAL double sf_ierfcx(double n, double x)
{
    if (!(n >= -1.0 && n < 1e4) || n != floor(n) || x != x) {
        return NAN;
    }
    double before = 1.1283791670955126, here = sf_erfcx(x);
    if (n < 1.0 || isinf(x)) {
        return n < 0.0 ? before : here;
    }
    if (x < 0.7) {
        for (double k = 1.0; k <= n; k += 1.0) {
            const double next = (before - 2.0*x*here)/(2.0*k);
            before = here;
            here = next;
        }
        return here;
    }
    double above = 0.0, found = 0.0;
    here = 1e-300;
    for (double k = floor(pow(sqrt(n) + 15.0/x, 2.0)) + 12.0; k >= 1.0; k -= 1.0) {
        /* here is order k, above order k + 1 */
        if (k == n) {
            found = here;
        }
        const double next = 2.0*x*here + 2.0*(k + 1.0)*above;
        above = here;
        here = next;
        if (here > 1e200) {
            here *= 1e-200;
            above *= 1e-200;
            found *= 1e-200;
        }
    }
    /* here is order 0, above order 1; order -1 closes the recurrence */
    return found/(2.0*x*here + 2.0*above)*1.1283791670955126;
}

//: sf_erfcinv_tail
/* For 0 < x <= 1/4: nearly a straight line in s = sqrt(-log(x)) (Strecok, Math. Comp. 22, 1968). */
SPECIAL double sf_erfcinv_tail(double x)
{
    const double s = sqrt(-log(x));
    if (s < 2.25) {
        return s*sf_series(sf_erfcinv_1_table, sizeof sf_erfcinv_1_table/sizeof(double), (s - 1.6875)/0.5625);
    }
    if (s < 4.5) {
        return s*sf_series(sf_erfcinv_2_table, sizeof sf_erfcinv_2_table/sizeof(double), (s - 3.375)/1.125);
    }
    if (s < 10.0) {
        return s*sf_series(sf_erfcinv_3_table, sizeof sf_erfcinv_3_table/sizeof(double), (s - 7.25)/2.75);
    }
    return s*sf_series(sf_erfcinv_4_table, sizeof sf_erfcinv_4_table/sizeof(double), (s - 19.0)/9.0);
}

//: sf_erfinv
SPECIAL double sf_erfinv(double x)
{
    const double size = fabs(x);
    if (size <= 0.75) {
        return x*sf_series(sf_erfinv_table, sizeof sf_erfinv_table/sizeof(double), x*x*3.5555555555555554 - 1.0);
    }
    if (!(size < 1.0)) {
        return size == 1.0 ? copysign(HUGE_VAL, x) : NAN;
    }
    return copysign(sf_erfcinv_tail(1.0 - size), x);
}

//: sf_erfcinv
SPECIAL double sf_erfcinv(double x)
{
    if (x <= 0.0 || x >= 2.0) {
        return x == 0.0 ? HUGE_VAL : x == 2.0 ? -HUGE_VAL : NAN;
    }
    if (x < 0.25) {
        return sf_erfcinv_tail(x);
    }
    return x > 1.75 ? -sf_erfcinv_tail(2.0 - x) : sf_erfinv(1.0 - x);
}

//: sf_log_ndtr
SPECIAL double sf_log_ndtr(double x)
{
    const double t = 0.7071067811865476*x;
    if (x > -1.0) {
        return log1p(-0.5*erfc(t));
    }
    return isinf(x) ? -HUGE_VAL : log(0.5*sf_erfcx(-t)) - 0.5*x*x;
}

//: sf_ndtri
SPECIAL double sf_ndtri(double x)
{
    return -1.4142135623730951*sf_erfcinv(2.0*x);
}

//: sf_dawson
SPECIAL double sf_dawson(double x)
{
    const double size = fabs(x);
    double value;
    if (size <= 1.0) {
        return x*sf_series(sf_dawson_1_table, sizeof sf_dawson_1_table/sizeof(double), 2.0*x*x - 1.0);
    }
    if (size <= 2.0) {
        value = sf_series(sf_dawson_2_table, sizeof sf_dawson_2_table/sizeof(double), 2.0*size - 3.0);
    } else if (size <= 3.5) {
        value = sf_series(sf_dawson_3_table, sizeof sf_dawson_3_table/sizeof(double), (size - 2.75)/0.75);
    } else if (size <= 6.0) {
        value = sf_series(sf_dawson_4_table, sizeof sf_dawson_4_table/sizeof(double), (size - 4.75)/1.25);
    } else {
        value = sf_series(sf_dawson_5_table, sizeof sf_dawson_5_table/sizeof(double), 72.0/size/size - 1.0)*0.5/size;
    }
    return copysign(value, x);
}

//: sf_dawson_slope
SPECIAL double sf_dawson_slope(double x)
{
    if (fabs(x) <= 6.0) {
        return 1.0 - 2.0*x*sf_dawson(x);
    }
    const double u = 1.0/x/x;
    return 0.5*u*sf_series(sf_dawson_slope_table, sizeof sf_dawson_slope_table/sizeof(double), 72.0*u - 1.0);
}

//: sf_logit
/* Near 1/2 by the distance from it, which is exact. */
SPECIAL double sf_logit(double x)
{
    if (x > 0.25 && x < 0.75) {
        return 2.0*atanh(2.0*x - 1.0);
    }
    return log(x/(1.0 - x));
}

//: sf_lambertw_near
/* Both branches near -1/e, as functions of p = sqrt(2*(e*x + 1)) with either sign (Corless et al., On the Lambert W
 * function, Adv. Comput. Math. 5, 1996, section 4).
 */
SPECIAL double sf_lambertw_near(double p)
{
    return p*sf_series(sf_lambertw_table, sizeof sf_lambertw_table/sizeof(double), p/0.75) - 1.0;
}

//: sf_lambertw_offset
/* x + 1/e, to the last digit. */
SPECIAL double sf_lambertw_offset(double x)
{
    return (x + 0.36787944117144233) - 1.2428753672788363e-17;
}

//: sf_lambertw_steps
/* The iteration of Fritsch, Shafer and Crowley (CACM 16, 1973), of fourth order, on log(x/w) - w = 0. */
SPECIAL double sf_lambertw_steps(double w, double x)
{
    for (int k = 0; k < 4; k++) {
        const double z = log(x/w) - w, q = 2.0*(1.0 + w)*(1.0 + w + 0.6666666666666666*z);
        const double step = z/(1.0 + w)*(q - z)/(q - 2.0*z);
        w += w*step;
        if (fabs(step) < 1e-5) { /* the next would change nothing */
            break;
        }
    }
    return w;
}

//: sf_lambertw
SPECIAL double sf_lambertw(double x)
{
    const double offset = sf_lambertw_offset(x);
    if (!(offset >= 0.0) || isinf(x)) {
        return isinf(x) && x > 0.0 ? x : NAN;
    }
    const double p = sqrt(5.43656365691809*offset);
    if (p < 0.75) {
        return sf_lambertw_near(p);
    }
    if (fabs(x) < 1e-5) {
        return x*(1.0 - x*(1.0 - x*(1.5 - x*2.6666666666666665)));
    }
    const double start = x < 3.0 ? x < 0.0 ? x/(1.0 + x) : log1p(x)*0.8 : log(x) - log(log(x));
    return sf_lambertw_steps(start, x);
}

//: sf_lambertw_lower
SPECIAL double sf_lambertw_lower(double x)
{
    const double offset = sf_lambertw_offset(x);
    if (!(offset >= 0.0) || !(x < 0.0)) {
        return x == 0.0 ? -HUGE_VAL : NAN;
    }
    const double p = sqrt(5.43656365691809*offset);
    if (p < 0.75) {
        return sf_lambertw_near(-p);
    }
    const double l = log(-x);
    return sf_lambertw_steps(l - log(-l), x);
}

//: sf_e1
/* -log(x) and a series for x <= 1; then x*exp(x)*E1(x) in 1/x, halving by halving. */
SPECIAL double sf_e1(double x)
{
    if (x <= 1.0) {
        return sf_series(sf_e1_0_table, sizeof sf_e1_0_table/sizeof(double), 2.0*x - 1.0) - log(x);
    }
    const double u = 1.0/x;
    double flat;
    if (x <= 2.0) {
        flat = sf_series(sf_e1_1_table, sizeof sf_e1_1_table/sizeof(double), 4.0*u - 3.0);
    } else if (x <= 4.0) {
        flat = sf_series(sf_e1_2_table, sizeof sf_e1_2_table/sizeof(double), 8.0*u - 3.0);
    } else if (x <= 8.0) {
        flat = sf_series(sf_e1_3_table, sizeof sf_e1_3_table/sizeof(double), 16.0*u - 3.0);
    } else if (x <= 16.0) {
        flat = sf_series(sf_e1_4_table, sizeof sf_e1_4_table/sizeof(double), 32.0*u - 3.0);
    } else {
        flat = sf_series(sf_e1_5_table, sizeof sf_e1_5_table/sizeof(double), 32.0*u - 1.0);
    }
    return flat*exp(-x)*u;
}

//: sf_expint
/* Of whole order, -1000000 at least: for n <= 0 a sum of positive terms (DLMF 8.4.8, 8.19.1), else the series DLMF 8.19.8 for x <= 1 and
 * the continued fraction DLMF 8.19.17 beyond.
 */
SPECIAL double sf_expint(double n, double x)
{
    if (!(x >= 0.0) || n != floor(n) || isinf(n) || n < -1e6) {
        return NAN;
    }
    if (x == 0.0) {
        return n > 1.0 ? 1.0/(n - 1.0) : HUGE_VAL;
    }
    if (isinf(x)) {
        return 0.0;
    }
    if (n == 1.0) {
        return sf_e1(x);
    }
    if (n <= 0.0) {
        double sum = 1.0;
        for (double k = 1.0; k <= -n; k += 1.0) {
            sum = 1.0 + sum*(k/x);
        }
        return exp(-x)/x*sum;
    }
    if (x <= 1.0) {
        /* the logarithm stands beside 1/1 + ... + 1/(n - 1) - gamma */
        double sum = 0.0, power = 1.0;
        for (double k = 0.0; k < 400.0; k += 1.0) {
            double term;
            if (k == n - 1.0) {
                term = power*(sf_digamma(n) - log(x));
            } else {
                term = power/(n - 1.0 - k);
            }
            sum += term;
            if (k >= n && fabs(term) < 1e-18*fabs(sum)) {
                break;
            }
            if (power == 0.0) {
                break;
            }
            power *= -x/(k + 1.0);
        }
        return sum;
    }
    double b = x + n, c = 1e300, d = 1.0/b, h = d;
    for (int k = 1; k < 1000; k++) {
        const double a = -k*(n - 1.0 + k);
        b += 2.0;
        d = 1.0/(a*d + b);
        c = b + a/c;
        h *= c*d;
        if (fabs(c*d - 1.0) < 2e-16) {
            break;
        }
    }
    return h*exp(-x);
}

//: sf_expi
/* Ei; beside its zero x0 a multiple of x - x0. */
SPECIAL double sf_expi(double x)
{
    if (!(x > 0.0) || isinf(x)) {
        if (isinf(x)) {
            return x > 0.0 ? x : -0.0;
        }
        return x == 0.0 ? -HUGE_VAL : -sf_e1(-x);
    }
    if (x > 0.25 && x < 0.5) {
        const double rest = (x - 0.3725074107813666) - 1.3140183414386028e-17;
        return rest*sf_series(sf_expi_root_table, sizeof sf_expi_root_table/sizeof(double), 8.0*x - 3.0);
    }
    if (x <= 2.0) {
        return sf_series(sf_expi_0_table, sizeof sf_expi_0_table/sizeof(double), x - 1.0) + (0.5772156649015329 + log(x));
    }
    const double u = 1.0/x;
    double flat;
    if (x <= 4.0) {
        flat = sf_series(sf_expi_1_table, sizeof sf_expi_1_table/sizeof(double), 8.0*u - 3.0);
    } else if (x <= 8.0) {
        flat = sf_series(sf_expi_2_table, sizeof sf_expi_2_table/sizeof(double), 16.0*u - 3.0);
    } else if (x <= 16.0) {
        flat = sf_series(sf_expi_3_table, sizeof sf_expi_3_table/sizeof(double), 32.0*u - 3.0);
    } else if (x <= 32.0) {
        flat = sf_series(sf_expi_4_table, sizeof sf_expi_4_table/sizeof(double), 64.0*u - 3.0);
    } else {
        flat = sf_series(sf_expi_5_table, sizeof sf_expi_5_table/sizeof(double), 64.0*u - 1.0);
    }
    if (x < 700.0) {
        return flat*u*exp(x);
    }
    const double half = exp(0.5*x);
    return flat*u*half*half;
}

//: sf_elliptic_k
/* By the arithmetic-geometric mean, DLMF 19.8.5. */
SPECIAL double sf_elliptic_k(double m)
{
    if (!(m < 1.0) || isinf(m)) {
        return m == 1.0 ? HUGE_VAL : isinf(m) && m < 0.0 ? 0.0 : NAN;
    }
    double a = 1.0, g = sqrt(1.0 - m);
    for (int k = 0; k < 20 && fabs(a - g) > 1e-8*a; k++) {
        const double mean = 0.5*(a + g);
        g = sqrt(a*g);
        a = mean;
    }
    return 3.141592653589793/(a + g);
}

//: sf_elliptic_e
/* 2*RG(0, 1 - m, 1), by Carlson's form of the arithmetic-geometric mean (Numer. Algorithms 10, 1995). */
SPECIAL double sf_elliptic_e(double m)
{
    if (!(m < 1.0) || isinf(m)) {
        return m == 1.0 ? 1.0 : isinf(m) && m < 0.0 ? HUGE_VAL : NAN;
    }
    double a = 1.0, g = sqrt(1.0 - m), weight = 0.25;
    const double first = 0.5*(a + g);
    double sum = first*first;
    for (int k = 0; k < 20 && fabs(a - g) > 1e-9*a; k++) {
        const double mean = 0.5*(a + g), half = 0.5*(a - g);
        g = sqrt(a*g);
        a = mean;
        weight *= 2.0;
        /* half**2 is a**2 - g**2; the difference of the means follows without cancellation */
        const double gap = half*half/(a + g);
        sum -= weight*gap*gap;
    }
    return 3.141592653589793*sum/(a + g);
}

//: sf_elliptic_d
/* (K - E)/m; for small m the hypergeometric series, DLMF 19.5.3. */
SPECIAL double sf_elliptic_d(double m)
{
    if (!(m < 1.0) || isinf(m)) {
        return m == 1.0 ? HUGE_VAL : isinf(m) && m < 0.0 ? 0.0 : NAN;
    }
    if (fabs(m) > 0.4) {
        return (sf_elliptic_k(m) - sf_elliptic_e(m))/m;
    }
    double sum = 1.0, term = 1.0;
    for (int k = 0; k < 60 && fabs(term) > 1e-17; k++) {
        term *= (1.5 + k)*(0.5 + k)/((2.0 + k)*(1.0 + k))*m;
        sum += term;
    }
    return 0.7853981633974483*sum;
}
