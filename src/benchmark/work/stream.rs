//! Passes over arrays in memory, counted as in STREAM.

use serde::{Deserialize, Serialize};

use super::Element;

/// Which pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StreamOp {
    /// a\[i\] = b\[i\]
    Copy,
    /// a\[i\] = b\[i\] + s·c\[i\]
    Triad,
}

/// A pass over arrays of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// Which pass.
    pub op: StreamOp,
    /// Size of each array, bytes.
    pub bytes: u64,
    /// Element type.
    pub element: Element,
}

impl Stream {
    /// Arrays read and written once each. STREAM's count (McCalpin, 1995): what the cache fetches
    /// before a write (write-allocate) is not counted.
    fn arrays(&self) -> u64 {
        match self.op {
            StreamOp::Copy => 2,
            StreamOp::Triad => 3,
        }
    }

    /// Bytes read and written.
    pub fn traffic(&self) -> u64 {
        self.arrays() * self.bytes
    }

    pub(super) fn footprint(&self) -> u64 {
        self.arrays() * self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_as_stream_counts_it() {
        let stream = |op| Stream { op, bytes: 80, element: Element::F64 };
        assert_eq!(stream(StreamOp::Copy).traffic(), 160);
        assert_eq!(stream(StreamOp::Triad).traffic(), 240);
    }
}
