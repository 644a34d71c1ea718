//! A kernel at one problem.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::manifest;
use super::{
    Argument, Bound, Choice, Cuda, CudaKernel, Extents, Fill, Formula, Host, KERNELS, Kernel,
    Tensor, found,
};
use crate::base::error::{Error, Result};
use crate::benchmark::element::Element;
use crate::benchmark::{Key, Numbers, with_number};
use crate::machine::kernel::Level;

/// A kernel at one problem, on elements of one type. Between ranks it goes by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Named", into = "Named")]
pub struct KernelRun {
    /// Which.
    pub kernel: &'static Kernel,
    /// Type of the elements.
    pub element: Element,
    /// What the kernel's keys are set to, in their order.
    pub sizes: Vec<u64>,
    /// How much the assembler optimises, where it is compiled.
    pub level: Level,
    /// How many runs are one CUDA graph, where they are.
    pub graph: Option<u32>,
    /// Elements along each axis of the inputs, then of the outputs.
    shapes: Vec<Vec<usize>>,
}

/// What ranks tell each other of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Named {
    kernel: String,
    element: Element,
    sizes: Vec<u64>,
    #[serde(default)]
    level: Level,
    #[serde(default)]
    graph: Option<u32>,
}

impl From<KernelRun> for Named {
    fn from(run: KernelRun) -> Self {
        let KernelRun { kernel, element, sizes, level, graph, .. } = run;
        Self { kernel: kernel.name.to_string(), element, sizes, level, graph }
    }
}

impl TryFrom<Named> for KernelRun {
    type Error = Error;

    fn try_from(Named { kernel: name, element, sizes, level, graph }: Named) -> Result<Self> {
        let is_named = |known: &&Kernel| known.name == name && known.keys.len() == sizes.len();
        let kernel = KERNELS.iter().chain(&found().kernels).find(is_named);
        let kernel = kernel.ok_or_else(|| Error::usage(format!("there is no kernel {name}")))?;
        Ok(Self { level, graph, ..Self::new(kernel, sizes, element)? })
    }
}

impl KernelRun {
    pub(super) fn new(kernel: &'static Kernel, sizes: Vec<u64>, element: Element) -> Result<Self> {
        let (shapes, level) = (Vec::new(), Level::default());
        let mut run = Self { kernel, element, sizes, level, graph: None, shapes };
        let axes = |tensor: &Tensor| {
            // Of programs it need not be known what they write.
            let least = u64::from(kernel.command.is_none());
            let axes =
                tensor.shape.iter().map(|axis| Ok(run.whole("an axis", axis, least)? as usize));
            axes.collect::<Result<Vec<usize>>>()
        };
        run.shapes = kernel.tensors().map(axes).collect::<Result<_>>()?;
        run.check_reference()?;
        // 8 PiB. Larger is a typing error.
        if run.bytes() > 1 << 53 {
            let told = "its tensors would have more than 2^53 bytes; choose a smaller size";
            return Err(Error::usage(format!("{}: {told}", kernel.name)));
        }
        for (tensor, shape) in run.inputs() {
            let places = match &tensor.fill {
                Fill::Below(most) => run.whole("the number of places", most, 1)?,
                Fill::Permutation => shape.iter().product::<usize>() as u64,
                Fill::Cycle(stride) => {
                    run.whole("the stride of a cycle", stride, 1)?;
                    shape.iter().product::<usize>() as u64
                }
                _ => continue,
            };
            let element = tensor.element_in(run.element);
            if places > element.places() {
                return Err(Error::usage(format!(
                    "{}: {} has {places} places, more than {} holds; choose a smaller size",
                    kernel.name,
                    tensor.name,
                    element.name()
                )));
            }
        }
        if let Bound::Latency(accesses) = &kernel.bound {
            run.whole("'accesses'", accesses, 1)?;
        }
        // What is asked for later is known, too.
        if let Some(Cuda::Own(own)) = &kernel.cuda {
            for choice in Choice::all(&own.axes) {
                run.check_launch(own, &choice)?;
            }
        }
        Ok(run)
    }

    fn check_launch(&self, own: &CudaKernel, choice: &Choice) -> Result<()> {
        let whole = |what, formula, least| self.whole_with(choice, what, formula, least);
        let extents = [&own.grid, &own.block].into_iter().chain(&own.cluster);
        for axis in extents.flat_map(Extents::axes).flatten() {
            whole("an axis of the grid, of a block or of a cluster", axis, 1)?;
        }
        if let Some(cluster) = &own.cluster {
            let (grid, cluster) = (self.extents(choice, &own.grid), self.extents(choice, cluster));
            let pairs = grid.into_iter().zip(cluster);
            if let Some((blocks, together)) = pairs.into_iter().find(|(grid, of)| grid % of > 0.0) {
                let name = &self.kernel.name;
                return Err(Error::usage(format!(
                    "{name}: an axis of the grid has {blocks} blocks, which is no multiple of the {together} of a \
                     cluster; choose another size, or correct its bench.yaml"
                )));
            }
        }
        whole("shared memory", &own.shared_bytes, 0)?;
        for argument in &own.arguments {
            if let Argument::Count(count) = argument {
                whole("an argument", count, 0)?;
            }
        }
        Ok(())
    }

    /// Refuses shapes that the reference does not expect: axes that are equal there must be equal here.
    fn check_reference(&self) -> Result<()> {
        let Some(model) = self.kernel.model().filter(|_| self.kernel.origin.is_some()) else {
            return Ok(());
        };
        if model.is_particular_to(self.kernel.scalars.len()) {
            // Of the same sizes; what it asks of them is asked here, too.
            let size = |key: &Key| {
                let at = self.kernel.keys.iter().position(|own| own.name == key.name);
                at.map_or(1, |at| self.sizes[at])
            };
            Self::new(model, model.keys.iter().map(size).collect(), self.element)?;
        }
        let axes = model.tensors().zip(&self.shapes);
        let mut known: Vec<(&Formula, usize)> = Vec::new();
        for (axis, &length) in axes.flat_map(|(tensor, shape)| tensor.shape.iter().zip(shape)) {
            match known.iter().find(|(known, _)| *known == axis) {
                None => known.push((axis, length)),
                Some(&(_, other)) if other == length => {}
                Some((_, other)) => {
                    let told = "are not those of its reference";
                    return Err(Error::usage(format!(
                        "{}: the shapes of its tensors {told}, {}: there an axis of {length} is as long as one of \
                         {other}; correct its bench.yaml",
                        self.kernel.name, model.name
                    )));
                }
            }
        }
        Ok(())
    }

    /// A value that must be whole.
    fn whole(&self, what: &str, formula: &Formula, least: u64) -> Result<u64> {
        self.whole_with(&Choice::default(), what, formula, least)
    }

    fn whole_with(
        &self,
        choice: &Choice,
        what: &str,
        formula: &Formula,
        least: u64,
    ) -> Result<u64> {
        let value = self.value_with(choice, formula);
        // Beyond 2^53 not every whole number is a float.
        if value.fract() == 0.0 && (least as f64..=2f64.powi(53)).contains(&value) {
            return Ok(value as u64);
        }
        Err(Error::usage(format!(
            "{}: {what} is {value}, and must be a whole number from {least} to 2^53; choose another size, or correct \
             its bench.yaml",
            self.kernel.name
        )))
    }

    /// The value of a formula of its kernel.
    pub fn value(&self, formula: &Formula) -> f64 {
        self.value_with(&Choice::default(), formula)
    }

    /// The value of a formula that may name what is chosen.
    pub fn value_with(&self, choice: &Choice, formula: &Formula) -> f64 {
        formula.value(|name| match self.kernel.keys.iter().position(|key| key.name == name) {
            Some(at) => Some(self.sizes[at]),
            None if name == manifest::ELEMENT_BYTES => Some(self.element.bytes()),
            None => choice.get(name),
        })
    }

    /// The numbers that it computes with; what its reference does besides is switched off.
    pub fn scalars(&self) -> Vec<f64> {
        let own = &self.kernel.scalars;
        let other =
            self.kernel.model().into_iter().flat_map(|model| model.scalars.get(own.len()..));
        let off = other.flatten().map(|switch| switch.value(|_| Some(0)));
        own.iter().map(|scalar| self.value(scalar)).chain(off).collect()
    }

    /// The inputs with their shapes.
    pub fn inputs(&self) -> impl Iterator<Item = (&'static Tensor, &[usize])> {
        self.kernel.inputs.iter().zip(self.shapes.iter().map(Vec::as_slice))
    }

    /// The outputs with their shapes.
    pub fn outputs(&self) -> impl Iterator<Item = (&'static Tensor, &[usize])> {
        let shapes = self.shapes[self.kernel.inputs.len()..].iter();
        self.kernel.outputs.iter().zip(shapes.map(Vec::as_slice))
    }

    /// The extents along three axes.
    pub fn extents(&self, choice: &Choice, extents: &Extents) -> [f64; 3] {
        extents.axes().map(|axis| axis.map_or(1.0, |axis| self.value_with(choice, axis)))
    }

    /// What a program is told: its sizes, and what else its description sets.
    pub fn settings(&self) -> Map<String, Value> {
        let sizes = self.kernel.keys.iter().zip(&self.sizes);
        let sizes = sizes.map(|(key, size)| (key.name.to_string(), Value::from(*size)));
        let constants = self.kernel.command.iter().flat_map(|command| command.constants.clone());
        constants.chain(sizes).collect()
    }

    /// What is in a tensor of this shape before it runs.
    ///
    /// # Errors
    /// As [`Numbers::new`].
    pub fn filled(&self, (tensor, shape): (&Tensor, &[usize])) -> Result<Numbers> {
        let count = shape.iter().product();
        let mut numbers = Numbers::new(tensor.element_in(self.element), count)?;
        with_number!(numbers.element, T => tensor.fill(self, numbers.of_mut::<T>()));
        Ok(numbers)
    }

    /// Bytes of a tensor of this shape.
    pub fn bytes_of(&self, tensor: &Tensor, shape: &[usize]) -> u64 {
        let element = tensor.element_in(self.element).bytes();
        shape.iter().fold(element, |bytes, &axis| bytes.saturating_mul(axis as u64))
    }

    /// Bytes of all tensors.
    pub fn bytes(&self) -> u64 {
        let tensors = self.inputs().chain(self.outputs());
        tensors.fold(0, |sum, (tensor, shape)| sum.saturating_add(self.bytes_of(tensor, shape)))
    }

    /// Floating point operations, where they limit it.
    pub fn flops(&self) -> Option<f64> {
        match &self.kernel.bound {
            Bound::Compute(flops) => Some(self.value(flops)),
            Bound::Memory(_) | Bound::Latency(_) => None,
        }
    }

    /// Loads that wait for each other, where they limit it.
    pub fn dependent_accesses(&self) -> Option<u64> {
        match &self.kernel.bound {
            Bound::Latency(accesses) => Some(self.value(accesses) as u64),
            Bound::Compute(_) | Bound::Memory(_) => None,
        }
    }

    /// Whether a CPU computes it in another type than that of its elements.
    pub fn is_widened(&self) -> bool {
        let computes = matches!(self.kernel.host, Some(Host::Computes(_)));
        computes && self.element.is_float() && self.element.bytes() < Element::F32.bytes()
    }

    /// Bytes read and written, where they limit it.
    pub fn memory_traffic(&self) -> Option<u64> {
        let bytes = match &self.kernel.bound {
            Bound::Compute(_) | Bound::Latency(_) => return None,
            Bound::Memory(None) => self.bytes(),
            Bound::Memory(Some(bytes)) => self.value(bytes) as u64,
        };
        (bytes > 0).then_some(bytes)
    }
}
