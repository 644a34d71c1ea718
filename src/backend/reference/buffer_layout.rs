//! How long a rank's buffers are in an exchange, and where its data lies in them.

use std::ops::Range;

use crate::benchmark::collective::Sharing;
use crate::benchmark::work::{Exchange, Placement, Root};

/// Two buffers, or one, in elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::backend) struct BufferLayout {
    /// How long the buffer of the input is; nothing when in place.
    pub(in crate::backend) input_buffer: usize,
    /// How long the buffer of the result is.
    pub(in crate::backend) output_buffer: usize,
    /// The input in its buffer or, when in place, in that of the result.
    pub(in crate::backend) input: Range<usize>,
    /// Where the result begins.
    pub(in crate::backend) output_at: usize,
}

impl BufferLayout {
    /// For rank `rank` of `ranks`; in place, input and result share their buffer like this.
    pub(in crate::backend) fn new(
        exchange: &Exchange,
        (rank, ranks): (usize, usize),
        sharing: Sharing,
    ) -> Self {
        let rotates = exchange.root == Root::Rotating;
        // Every rank may become the root.
        let root = match exchange.root {
            Root::Fixed(root) => root as usize,
            Root::Rotating => rank,
        };
        let other = (rank + 1) % ranks;
        let longest = |of: &dyn Fn(usize) -> u64| {
            let own = of(root);
            (if rotates { own.max(of(other)) } else { own }) as usize
        };
        let input = longest(&|root| exchange.input(ranks, rank, root));
        let output = longest(&|root| exchange.output(ranks, rank, root));
        if exchange.placement == Placement::Out {
            let (input_buffer, output_buffer) = (input, output);
            return Self { input_buffer, output_buffer, input: 0..input, output_at: 0 };
        }
        let (input_at, output_at) = match sharing {
            Sharing::Front => (0, 0),
            // A rank with one of them only, such as those that are not the root, has no other blocks.
            Sharing::OwnBlock if input == 0 || output == 0 => (0, 0),
            Sharing::OwnBlock => {
                let own_block = exchange.blocks_before(ranks, rank) as usize;
                if input < output { (own_block, 0) } else { (0, own_block) }
            }
        };
        Self {
            input_buffer: 0,
            output_buffer: input.max(output),
            input: input_at..input_at + input,
            output_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::collective;
    use crate::benchmark::work::Element;

    fn plain(name: &str) -> Exchange {
        let collective = collective::find(name).unwrap();
        Exchange::plain(collective, Element::U8, 12)
    }

    #[test]
    fn in_place_a_block_lies_among_all() {
        let places = |name: &str, rank| {
            let exchange = Exchange { placement: Placement::In, ..plain(name) };
            BufferLayout::new(&exchange, (rank, 3), Sharing::OwnBlock)
        };
        let gathered = places("all_gather", 2);
        assert_eq!((gathered.input, gathered.output_at, gathered.output_buffer), (8..12, 0, 12));
        let root = places("scatter", 0);
        assert_eq!((root.input, root.output_at, root.output_buffer), (0..12, 0, 12));
        let other = places("scatter", 2);
        assert_eq!((other.input, other.output_at, other.output_buffer), (0..0, 0, 4));
    }

    #[test]
    fn where_the_root_rotates_every_rank_has_room_for_its_part() {
        let exchange = plain("gather");
        let rotating = Exchange { root: Root::Rotating, placement: Placement::In, ..exchange };
        let places = BufferLayout::new(&rotating, (1, 3), Sharing::OwnBlock);
        assert_eq!((places.input, places.output_at, places.output_buffer), (4..8, 0, 12));
    }
}
