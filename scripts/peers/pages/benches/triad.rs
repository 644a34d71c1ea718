//! The triad by Criterion; with SLOW set, a quarter more work at the largest size.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn triad(a: &mut [f64], b: &[f64], c: &[f64]) {
    a.iter_mut().zip(b).zip(c).for_each(|((a, b), c)| *a = b + 3.0 * c);
}

fn bench(criterion: &mut Criterion) {
    let slow = std::env::var_os("SLOW").is_some();
    let mut group = criterion.benchmark_group("triad");
    for bytes in [64 << 10, 512 << 10, 4 << 20, 16 << 20] {
        let n = bytes / 8;
        let (mut a, b, c) = (vec![0.0; n], vec![1.0; n], vec![2.0; n]);
        let more = if slow && bytes == 16 << 20 { n / 4 } else { 0 };
        group.throughput(Throughput::Bytes(3 * bytes as u64));
        group.bench_function(BenchmarkId::from_parameter(bytes), |bencher| {
            bencher.iter(|| {
                triad(black_box(&mut a), black_box(&b), black_box(&c));
                triad(black_box(&mut a[..more]), black_box(&b[..more]), black_box(&c[..more]));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
