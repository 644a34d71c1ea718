//! Least-squares fits: a line, and Amdahl's law.

/// The slope of the least-squares line through `(x, y)`; 0 for points without extent in x.
pub fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let (x_mean, y_mean) =
        points.iter().fold((0.0, 0.0), |(xs, ys), (x, y)| (xs + x / n, ys + y / n));
    let (xy, xx) = points.iter().fold((0.0, 0.0), |(xy, xx), (x, y)| {
        (xy + (x - x_mean) * (y - y_mean), xx + (x - x_mean).powi(2))
    });
    if xx > 0.0 { xy / xx } else { 0.0 }
}

/// Amdahl's serial fraction s (1967) of points of `(ranks, time)`: T(p) = T(1)(s + (1 − s)/p) is a line in 1/p, a + b/p,
/// with s = a/(a + b). Least squares of the relative errors, with T(1) free, so that no point needs to be of one rank.
/// `None` for fewer than two numbers of ranks, and where the line gives one rank no time.
pub fn amdahl_serial_fraction(points: &[(f64, f64)]) -> Option<f64> {
    let mut sums = [0.0; 5];
    for (ranks, time) in points.iter().filter(|(ranks, time)| *ranks >= 1.0 && *time > 0.0) {
        // 1 = a·u + b·v for each point.
        let (u, v) = (1.0 / time, 1.0 / (ranks * time));
        let terms = [u * u, u * v, v * v, u, v];
        sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
    }
    let [uu, uv, vv, u, v] = sums;
    let (a, b) = (u * vv - v * uv, v * uu - u * uv);
    let determined = uu * vv - uv * uv > 1e-12 * uu * vv;
    (determined && a + b > 0.0).then(|| a / (a + b))
}

/// Karp and Flatt's experimentally determined serial fraction (1990) of `(ranks, time)` against a base: from one rank
/// e = (1/S − 1/p)/(1 − 1/p) with the speed-up S; from another base that of the law through both points, so that the
/// fraction is one of the time on one rank all the same. If it rises with p, the cause is overhead, not serial
/// work. `None` for the base itself.
pub fn karp_flatt(base: (f64, f64), point: (f64, f64)) -> Option<f64> {
    amdahl_serial_fraction(&[base, point])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_gives_its_slope_back() {
        let points: Vec<(f64, f64)> =
            (0..20).map(|i| f64::from(i) * 5e7).map(|x| (x, 3.0 - 5e-5 * x)).collect();
        assert!((slope(&points) + 5e-5).abs() < 1e-12);
        assert_eq!(slope(&points[..1]), 0.0);
        assert_eq!(slope(&[]), 0.0);
    }

    #[test]
    fn amdahls_law_gives_its_fraction_back() {
        let time = |p: f64| (p, 7.0 * (0.1 + 0.9 / p));
        let from = |ranks: &[f64]| {
            amdahl_serial_fraction(&ranks.iter().map(|&p| time(p)).collect::<Vec<_>>())
        };
        for ranks in [&[1.0, 2.0, 4.0, 8.0][..], &[4.0, 8.0, 16.0], &[4.0, 16.0], &[2.0, 2.0, 3.0]]
        {
            assert!((from(ranks).unwrap() - 0.1).abs() < 1e-9, "{ranks:?}");
        }
        assert_eq!((from(&[]), from(&[4.0]), from(&[4.0, 4.0])), (None, None, None));
        for base in [1.0, 4.0] {
            assert!((karp_flatt(time(base), time(8.0)).unwrap() - 0.1).abs() < 1e-9);
        }
        assert_eq!(karp_flatt(time(2.0), time(2.0)), None);
        // As Karp and Flatt have it: S = 3.2 on 4 ranks.
        let e = karp_flatt((1.0, 3.2), (4.0, 1.0)).unwrap();
        assert!((e - (1.0 / 3.2 - 0.25) / 0.75).abs() < 1e-12, "{e}");
        // Perfect, and better than perfect.
        assert!(karp_flatt((1.0, 4.0), (4.0, 1.0)).unwrap().abs() < 1e-12);
        assert!(karp_flatt((1.0, 5.0), (4.0, 1.0)).unwrap() < 0.0);
        // Times that grow with the ranks: more than all of it is serial, or there is no time on one.
        assert!(karp_flatt((1.0, 1.0), (4.0, 1.1)).unwrap() > 1.0);
        assert_eq!(karp_flatt((4.0, 1.0), (8.0, 3.0)), None);
    }
}
