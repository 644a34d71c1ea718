//! The tests of nccl-tests.

/// A test of nccl-tests, and which of its columns say something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NcclTest {
    /// Our name; theirs is `NAME_perf`.
    pub benchmark: &'static str,
    /// Whether buffers are made of a block for each rank: `count` is then that of one block.
    pub blocks: bool,
    /// Whether it has a `redop`.
    pub reduces: bool,
    /// Whether it has a `root`.
    pub rooted: bool,
}

const fn test(benchmark: &'static str, blocks: bool, reduces: bool, rooted: bool) -> NcclTest {
    NcclTest { benchmark, blocks, reduces, rooted }
}

impl NcclTest {
    /// Every test.
    pub const ALL: [Self; 11] = [
        test("all_reduce", false, true, false),
        test("all_gather", true, false, false),
        test("reduce_scatter", true, true, false),
        test("broadcast", false, false, true),
        test("reduce", false, true, true),
        test("gather", true, false, true),
        test("scatter", true, false, true),
        test("alltoall", true, false, false),
        test("alltoallv", true, false, false),
        test("sendrecv", false, false, false),
        test("hypercube", true, false, false),
    ];

    /// The test of the benchmark called `name`.
    pub fn find(name: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|test| test.benchmark == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_is_a_benchmark() {
        for test in NcclTest::ALL {
            let benchmark = crate::benchmark::find(test.benchmark).unwrap();
            let has = |name: &str| benchmark.keys.iter().any(|key| key.name == name);
            assert_eq!((has("op"), has("root")), (test.reduces, test.rooted), "{}", test.benchmark);
            assert!(benchmark.placements && has("bytes"));
        }
    }
}
