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

/// Amdahl's serial fraction f (1967), by least squares of 1/S(p) = f + (1 − f)/p over points of
/// `(ranks, speed-up)`. With y = 1/S − 1/p and x = 1 − 1/p the law is y = f·x. `None` without a point
/// beyond one rank.
pub fn amdahl_serial_fraction(points: &[(f64, f64)]) -> Option<f64> {
    let terms = points.iter().filter(|(p, s)| *p > 1.0 && *s > 0.0);
    let (xy, xx) = terms.fold((0.0, 0.0), |(xy, xx), (p, s)| {
        let (x, y) = (1.0 - 1.0 / p, 1.0 / s - 1.0 / p);
        (xy + x * y, xx + x * x)
    });
    (xx > 0.0).then(|| xy / xx)
}

/// Karp and Flatt's experimentally determined serial fraction (1990): e = (1/S − 1/p)/(1 − 1/p).
/// If it rises with p, the cause is overhead, not serial work. `None` for one rank.
pub fn karp_flatt(ranks: f64, speedup: f64) -> Option<f64> {
    amdahl_serial_fraction(&[(ranks, speedup)])
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
        let speedup = |p: f64| 1.0 / (0.1 + 0.9 / p);
        let points: Vec<(f64, f64)> = [1.0, 2.0, 4.0, 8.0].map(|p| (p, speedup(p))).to_vec();
        assert!((amdahl_serial_fraction(&points).unwrap() - 0.1).abs() < 1e-12);
        assert!((karp_flatt(8.0, speedup(8.0)).unwrap() - 0.1).abs() < 1e-12);
        assert_eq!(karp_flatt(1.0, 1.0), None);
        // Perfect, and better than perfect.
        assert!(karp_flatt(4.0, 4.0).unwrap().abs() < 1e-12);
        assert!(karp_flatt(4.0, 5.0).unwrap() < 0.0);
    }
}
