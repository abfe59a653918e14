//: sf_bessel_far
/* J and Y of order v at x > 25 with x > v*v/2 (result 0 and 1): Hankel's expansions, DLMF 10.17.3 and 10.17.4. */
SPECIAL void sf_bessel_far(double v, double x, double result[2])
{
    const double pi = 3.141592653589793, turns = fmod(0.5*v + 0.25, 2.0)*pi;
    const double c = cos(x)*cos(turns) + sin(x)*sin(turns), s = sin(x)*cos(turns) - cos(x)*sin(turns);
    double p = 1.0, q = 0.0, term = 1.0;
    for (int k = 1; k < 120; k++) {
        const double next = term*(4.0*v*v - (2.0*k - 1.0)*(2.0*k - 1.0))/(8.0*k*x);
        if (fabs(next) < 1e-17 || (fabs(next) > fabs(term) && k > v)) {
            break;
        }
        term = next;
        if (k%2) {
            q += k%4 == 1 ? term : -term;
        } else {
            p += k%4 == 0 ? term : -term;
        }
    }
    const double size = sqrt(2.0/(pi*x));
    result[0] = size*(p*c - q*s);
    result[1] = size*(p*s + q*c);
}

//: sf_bessel_jy
/* J and Y of order v >= 0 at x > 0 (result 0 and 1). For x > 25 Hankel's expansions; beside them, for v <= x, where both
 * oscillate, the recurrence from orders below 2, for a continued fraction would gather the errors of x steps. Else
 * Temme's series for x < 2 (J. Comput. Phys. 21, 1976) or two continued fractions and the Wronskian (Barnett, Feng,
 * Steed and Goldfarb, Comput. Phys. Commun. 8, 1974), by recurrences from an order near 0 or x; NaN where a million
 * steps are too few.
 */
SPECIAL void sf_bessel_jy(double v, double x, double result[2])
{
    const double pi = 3.141592653589793, w = 2.0/(pi*x);
    if (x > 25.0 && x > 0.5*v*v) {
        sf_bessel_far(v, x, result);
        return;
    }
    if (x > 25.0 && v <= x && v <= 1e6) {
        const double whole = floor(v), low = v - whole;
        double before[2];
        sf_bessel_far(low, x, before);
        sf_bessel_far(low + 1.0, x, result);
        for (double k = 1.0; k < whole; k += 1.0) {
            for (int both = 0; both < 2; both++) {
                const double next = 2.0*(low + k)/x*result[both] - before[both];
                before[both] = result[both];
                result[both] = next;
            }
        }
        return;
    }
    const double steps = x < 2.0 ? floor(v + 0.5) : fmax(0.0, floor(v - x + 1.5));
    if (steps > 1e6 || x > 1e6) {
        result[0] = result[1] = NAN;
        return;
    }
    const double m = v - steps, m2 = m*m;
    /* J'/J at order v by Lentz' algorithm, with the sign of J */
    double sign = 1.0, f = v/x, b = 2.0*v/x, d = 0.0;
    f = f < 1e-300 ? 1e-300 : f;
    double c = f;
    for (int k = 0; k < 1000000 && x > 1e-290; k++) { /* else the other of the two is not asked for */
        b += 2.0/x;
        d = b - d;
        d = fabs(d) < 1e-300 ? 1e-300 : d;
        c = b - 1.0/c;
        c = fabs(c) < 1e-300 ? 1e-300 : c;
        d = 1.0/d;
        const double factor = c*d;
        f *= factor;
        sign = d < 0.0 ? -sign : sign;
        if (fabs(factor - 1.0) < 2e-16) {
            break;
        }
    }
    double j = sign*1e-250, slope = f*j;
    const double last = j;
    double drop = 1.0;
    for (double k = 0.0; k < steps; k += 1.0) {
        const double order = v - k, next = order/x*j + slope;
        slope = (order - 1.0)/x*next - j;
        j = next;
        if (fabs(j) > 1e200) {
            j *= 1e-250;
            slope *= 1e-250;
            drop *= 1e-250;
        }
    }
    j = j == 0.0 ? 1e-300 : j;
    f = slope/j;
    double first, y, y1;
    if (x < 2.0) {
        const double t = 8.0*m2 - 1.0, half = 0.5*x;
        const double g1 = sf_series(sf_temme_1_table, sizeof sf_temme_1_table/sizeof(double), t);
        const double g2 = sf_series(sf_temme_2_table, sizeof sf_temme_2_table/sizeof(double), t);
        const double pm = pi*m, l = 0.6931471805599453 - log(x), e = m*l;
        const double fact = m == 0.0 ? 1.0 : pm/sin(pm), over = e == 0.0 ? 1.0 : sinh(e)/e;
        const double quarter = m == 0.0 ? 1.0 : sin(0.5*pm)/(0.5*pm), r = pi*0.5*pm*quarter*quarter;
        double ff = 2.0/pi*fact*(g1*cosh(e) + g2*over*l);
        double p = exp(e)/((g2 - m*g1)*pi), q = 1.0/(exp(e)*pi*(g2 + m*g1)), power = 1.0;
        double sum = ff + r*q, sum1 = p;
        for (int k = 1; k < 100; k++) {
            ff = (k*ff + p + q)/(k*(double)k - m2);
            power *= -half*half/k;
            p /= k - m;
            q /= k + m;
            const double term = power*(ff + r*q);
            sum += term;
            sum1 += power*p - k*term;
            if (fabs(term) < 1e-17*(1.0 + fabs(sum))) {
                break;
            }
        }
        y = -sum;
        y1 = -(sum1/x)*2.0;
        const double y_slope = m/x*y - y1;
        first = w/(y_slope - f*y);
    } else {
        /* p + i*q from the continued fraction vr + i*vi, by Lentz' algorithm in complex numbers */
        const double br = 2.0*x;
        double bi = 2.0, vr = br, vi = bi, cr = br, ci = bi, dr = 0.0, di = 0.0, p = -0.5/x, q = 1.0;
        for (int k = 2; k < 100000; k++) {
            const double a = (k - 0.5)*(k - 0.5) - m2;
            bi += 2.0;
            const double tr = br + a*dr, ti = bi + a*di, t2 = tr*tr + ti*ti, c2 = cr*cr + ci*ci;
            dr = tr/t2;
            di = -ti/t2;
            cr = br + a*cr/c2;
            ci = bi - a*ci/c2;
            const double hr = cr*dr - ci*di, hi = cr*di + ci*dr, nr = vr*hr - vi*hi;
            vi = vr*hi + vi*hr;
            vr = nr;
            if (fabs(hr - 1.0) + fabs(hi) < 4e-16) {
                break;
            }
        }
        /* i/x*(1/4 - m**2)/(vr + i*vi) */
        const double size = (0.25 - m2)/(x*(vr*vr + vi*vi));
        p += size*vi;
        q += size*vr;
        const double g = (p - f)/q;
        first = sqrt(w/((p - f)*g + q));
        first = j < 0.0 ? -first : first;
        y = first*g;
        const double y_slope = first*(g*p + q);
        y1 = m/x*y - y_slope;
    }
    result[0] = last*drop*(first/j);
    for (double k = 1.0; k <= steps; k += 1.0) {
        const double next = 2.0*(m + k)*y1/x - y;
        y = y1;
        y1 = next;
        if (isinf(y1)) { /* and the next would be inf - inf */
            y = k < steps ? y1 : y;
            break;
        }
    }
    result[1] = y;
}

//: sf_power_over_gamma
/* (x/2)**v/gamma(v + 1), by the density of the gamma distribution, which is accurate for large v. */
SPECIAL double sf_power_over_gamma(double v, double x)
{
    return v < 20.0 ? pow(x, v)*exp2(-v)/tgamma(v + 1.0) : sf_gamma_density(v + 1.0, 0.5*x)*exp(0.5*x);
}

//: sf_besselj
/* DLMF 10.2.2 for small x, 10.2.3 for negative orders; x may be negative where the order is whole. */
SPECIAL double sf_besselj(double v, double x)
{
    const int whole = v == floor(v);
    if (v != v || x != x || isinf(v) || (x < 0.0 && !whole)) {
        return NAN;
    }
    if (isinf(x)) {
        return 0.0;
    }
    const double order = fabs(v), size = fabs(x);
    const int odd = whole && fmod(order, 2.0) != 0.0;
    double value;
    if (size == 0.0) {
        if (v == 0.0) {
            return 1.0;
        }
        if (v > 0.0 || whole) {
            return odd && v > 0.0 ? x : 0.0;
        }
        return fmod(floor(v), 2.0) == 0.0 ? -HUGE_VAL : HUGE_VAL;
    }
    double both[2];
    if (0.25*size*size <= 0.5*(order + 1.0) && (v >= 0.0 || whole)) {
        const double t = -0.25*size*size;
        double term = 1.0, sum = 1.0;
        for (int k = 1; k < 100 && fabs(term) > 1e-18; k++) {
            term *= t/(k*(order + k));
            sum += term;
        }
        value = sum*sf_power_over_gamma(order, size);
    } else {
        sf_bessel_jy(order, size, both);
        value = both[0];
        if (v < 0.0 && !whole) {
            const double f = order - 2.0*rint(0.5*order);
            const double c = fabs(f) == 0.5 ? 0.0 : cos(3.141592653589793*f);
            return (c == 0.0 ? 0.0 : sf_besselj(order, size)*c) - both[1]*sin(3.141592653589793*f);
        }
    }
    /* J of order -n is (-1)**n times that of order n, and so is J of -x */
    return odd && (v < 0.0) != (x < 0.0) ? -value : value;
}

//: sf_bessely
SPECIAL double sf_bessely(double v, double x)
{
    if (v != v || !(x >= 0.0) || isinf(v)) {
        return NAN;
    }
    if (isinf(x)) {
        return 0.0;
    }
    const double order = fabs(v), f = order - 2.0*rint(0.5*order);
    const int half = fabs(f) == 0.5;
    if (x == 0.0) {
        if (v < 0.0 && half) {
            return 0.0;
        }
        return v < 0.0 && v != floor(v) && fabs(f) > 0.5 ? HUGE_VAL : -HUGE_VAL;
    }
    double both[2];
    if (v < 0.0 && half) {
        return (f > 0.0 ? 1.0 : -1.0)*sf_besselj(order, x);
    }
    sf_bessel_jy(order, x, both);
    if (v >= 0.0) {
        return both[1];
    }
    return both[1]*cos(3.141592653589793*f) + (v == floor(v) ? 0.0 : sf_besselj(order, x)*sin(3.141592653589793*f));
}

//: sf_bessel_ik
/* I and K of order v >= 0 at x > 0: Temme's series for x < 2 and his form of Steed's continued fraction beyond
 * (J. Comput. Phys. 19, 1975), recurrences and the Wronskian; for large x DLMF 10.40.1 and 10.40.2. The caller has to
 * multiply them by exp(result[2]) and exp(-result[2]): what is left of x where K alone would overflow.
 */
SPECIAL void sf_bessel_ik(double v, double x, double result[3])
{
    const double pi = 3.141592653589793;
    if (x > 30.0 && x > v*v) {
        double plus = 1.0, minus = 1.0, term = 1.0;
        for (int k = 1; k < 120; k++) {
            const double next = term*(4.0*v*v - (2.0*k - 1.0)*(2.0*k - 1.0))/(8.0*k*x);
            if (fabs(next) < 1e-18 || (fabs(next) > fabs(term) && k > v)) {
                break;
            }
            term = next;
            plus += term;
            minus += k%2 ? -term : term;
        }
        result[0] = minus/sqrt(2.0*pi*x);
        result[1] = plus*sqrt(0.5*pi/x);
        result[2] = x;
        return;
    }
    const double steps = floor(v + 0.5), m = v - steps, m2 = m*m;
    if (steps > 1e6) {
        result[0] = result[1] = result[2] = NAN;
        return;
    }
    /* I(v + 1)/I(v), positive, by Lentz' algorithm */
    double b = 2.0*(v + 1.0)/x, c = b, d = 0.0, inverse = b;
    for (int k = 0; k < 1000000 && x > 1e-290; k++) { /* else the other of the two is not asked for */
        b += 2.0/x;
        d = 1.0/(b + d);
        c = b + 1.0/c;
        inverse *= c*d;
        if (fabs(c*d - 1.0) < 3e-16) {
            break;
        }
    }
    const double f = 1.0/inverse;
    double k0, k1;
    if (x < 2.0) {
        const double t = 8.0*m2 - 1.0, half = 0.5*x;
        const double g1 = sf_series(sf_temme_1_table, sizeof sf_temme_1_table/sizeof(double), t);
        const double g2 = sf_series(sf_temme_2_table, sizeof sf_temme_2_table/sizeof(double), t);
        const double pm = pi*m, l = 0.6931471805599453 - log(x), e = m*l;
        const double fact = m == 0.0 ? 1.0 : pm/sin(pm), over = e == 0.0 ? 1.0 : sinh(e)/e;
        double ff = fact*(g1*cosh(e) + g2*over*l);
        double p = 0.5*exp(e)/(g2 - m*g1), q = 0.5/(exp(e)*(g2 + m*g1)), power = 1.0;
        double sum = ff, sum1 = p;
        for (int k = 1; k < 100; k++) {
            ff = (k*ff + p + q)/(k*(double)k - m2);
            power *= half*half/k;
            p /= k - m;
            q /= k + m;
            sum += power*ff;
            sum1 += power*(p - k*ff);
            if (fabs(power*ff) < 1e-18*fabs(sum)) {
                break;
            }
        }
        k0 = sum;
        k1 = (sum1/x)*2.0;
    } else {
        double bb = 2.0*(1.0 + x), dd = 1.0/bb, step = dd, h = dd, q1 = 0.0, q2 = 1.0;
        const double a1 = 0.25 - m2;
        double q = a1, cc = a1, a = -a1, s = 1.0 + q*step;
        for (int k = 2; k < 10000; k++) {
            a -= 2*(k - 1);
            cc = -a*cc/k;
            const double next = (q1 - bb*q2)/a;
            q1 = q2;
            q2 = next;
            q += cc*next;
            bb += 2.0;
            dd = 1.0/(bb + a*dd);
            step = (bb*dd - 1.0)*step;
            h += step;
            s += q*step;
            if (fabs(q*step) < 1e-17*fabs(s)) {
                break;
            }
        }
        k0 = sqrt(0.5*pi/x)/s;
        k1 = k0*(m + x + 0.5 - a1*h)/x;
    }
    double left = x < 2.0 ? 0.0 : x;
    for (double k = 1.0; k <= steps; k += 1.0) {
        const double next = 2.0*(m + k)*k1/x + k0;
        k0 = k1;
        k1 = next;
        if (k1 > 1e200 && left > 0.0) {
            const double part = fmin(left, 300.0), factor = exp(-part);
            k0 *= factor;
            k1 *= factor;
            left -= part; /* exactly */
        }
    }
    /* I(v)*K(v + 1) + I(v + 1)*K(v) = 1/x */
    result[0] = 1.0/(x*(k1 + f*k0));
    result[1] = k0;
    result[2] = left;
}

//: sf_besselk
SPECIAL double sf_besselk(double v, double x)
{
    if (v != v || !(x >= 0.0) || isinf(v)) {
        return NAN;
    }
    if (x == 0.0 || isinf(x)) {
        return x == 0.0 ? HUGE_VAL : 0.0;
    }
    double both[3];
    sf_bessel_ik(fabs(v), x, both);
    const double half = exp(-0.5*both[2]);
    return both[2] < 700.0 ? both[1]*exp(-both[2]) : both[1]*half*half;
}

//: sf_besseli
/* The series DLMF 10.25.2, whose terms are positive, unless x is large; 10.27.2 for negative orders. */
SPECIAL double sf_besseli(double v, double x)
{
    const int whole = v == floor(v);
    if (v != v || x != x || isinf(v) || (x < 0.0 && !whole)) {
        return NAN;
    }
    const double order = fabs(v), size = fabs(x);
    const double sign = x < 0.0 && fmod(order, 2.0) != 0.0 ? -1.0 : 1.0;
    if (isinf(x)) {
        return sign*HUGE_VAL;
    }
    if (size == 0.0) {
        if (v == 0.0) {
            return 1.0;
        }
        if (v > 0.0 || whole) {
            return sign < 0.0 ? -0.0 : 0.0;
        }
        return fmod(floor(v), 2.0) == 0.0 ? -HUGE_VAL : HUGE_VAL;
    }
    double value;
    if (size < 30.0) {
        const double t = 0.25*size*size;
        double term = 1.0, sum = 1.0;
        for (int k = 1; k < 200 && term > 1e-18*sum; k++) {
            term *= t/(k*(order + k));
            sum += term;
        }
        value = sum*sf_power_over_gamma(order, size);
    } else {
        double both[3];
        sf_bessel_ik(order, size, both);
        const double half = exp(0.5*both[2]);
        value = both[2] < 700.0 ? both[0]*exp(both[2]) : both[0]*half*half;
    }
    if (v < 0.0 && !whole) {
        const double f = order - 2.0*rint(0.5*order);
        value += 0.6366197723675814*sin(3.141592653589793*f)*sf_besselk(order, x);
    }
    return sign*value;
}

//: sf_airy
/* Ai, Ai', Bi, Bi' by Maclaurin's series near 0 (DLMF 9.4) and Bessel functions of order 1/3 and 2/3 beyond (DLMF 9.6). */
SPECIAL double sf_airy(int which, double x)
{
    const double size = fabs(x);
    if (x != x) {
        return x;
    }
    if (isinf(x)) {
        return x > 0.0 ? which < 2 ? 0.0 : x : which%2 ? NAN : 0.0;
    }
    if (size <= 1.0) {
        const double c1 = 0.35502805388781722, c2 = 0.2588194037928068, root = 1.7320508075688772;
        double f, g, a, b;
        if (which%2 == 0) { /* f = 1 + x**3/6 + ..., g = x + x**4/12 + ... */
            f = 1.0;
            g = x;
            a = 1.0;
            b = x;
            for (int k = 3; k < 40; k += 3) {
                a *= x*x*x/(k*(k - 1.0));
                b *= x*x*x/(k*(k + 1.0));
                f += a;
                g += b;
            }
        } else { /* f' = x**2/2 + ..., g' = 1 + x**3/3 + ... */
            a = 0.5*x*x;
            b = 1.0;
            f = a;
            g = 1.0;
            for (int k = 3; k < 40; k += 3) {
                a *= x*x*x/(k*(k + 2.0));
                b *= x*x*x/(k*(k - 2.0));
                f += a;
                g += b;
            }
        }
        return which < 2 ? c1*f - c2*g : root*(c1*f + c2*g);
    }
    const double z = 0.6666666666666666*size*sqrt(size), third = 0.3333333333333333, pi = 3.141592653589793;
    const double v = which%2 ? 2.0*third : third;
    double both[2];
    if (x < 0.0) {
        sf_bessel_jy(v, z, both);
        const double j = both[0], y = both[1], s = 0.5773502691896258;
        switch (which) {
        case 0:
            return 0.5*sqrt(size)*(j - s*y);
        case 1:
            return 0.5*size*(j + s*y);
        case 2:
            return -0.5*sqrt(size)*(s*j + y);
        default:
            return 0.5*size*(s*j - y);
        }
    }
    const double outer = which%2 ? x : sqrt(x);
    if (which < 2) {
        const double k = sf_besselk(v, z)*outer*0.18377629847393068;
        return which ? -k : k;
    }
    return outer*(1.1547005383792515*sf_besseli(v, z) + sf_besselk(v, z)/pi);
}

//: sf_airyai
SPECIAL double sf_airyai(double x)
{
    return sf_airy(0, x);
}

//: sf_airyai_slope
SPECIAL double sf_airyai_slope(double x)
{
    return sf_airy(1, x);
}

//: sf_airybi
SPECIAL double sf_airybi(double x)
{
    return sf_airy(2, x);
}

//: sf_airybi_slope
SPECIAL double sf_airybi_slope(double x)
{
    return sf_airy(3, x);
}
