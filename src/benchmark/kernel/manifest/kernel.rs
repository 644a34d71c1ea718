//! From a description to a kernel: what it says is checked.

use std::borrow::Cow;
use std::path::Path;

use super::super::{
    Bound, BuiltIn, Command, Cuda, Dtype, Extents, Fill, Formula, Kernel, LEVEL, Reference, Skip,
    Target, Tensor,
};
use super::cuda::axes;
use super::{ELEMENT_BYTES, Input, Manifest, OneSize, Output, Size, Sizes, TensorType, Tolerances};
use crate::base::error::{Error, Result, suggestion};
use crate::base::units::parse_sizes;
use crate::base::yaml::Placed;
use crate::benchmark::{Element, GRAPH, Key, Values};

/// Longest name, and most sizes, tensors and arguments.
const LIMIT: usize = 64;

/// Refuses what is no name.
pub(super) fn check_name<'a>(what: &str, name: &'a str) -> Result<&'a str, String> {
    let fits = name.len() <= LIMIT
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let told = "of at most 64 letters, digits and _, the first no digit";
    if fits { Ok(name) } else { Err(format!("'{name}' is no name for {what}; use one {told}")) }
}

impl Manifest {
    /// The kernel, whose folder has this name, and files that `read` gives.
    pub(in crate::benchmark::kernel) fn kernel(
        mut self,
        (folder, is_named): (&Path, bool),
        read: impl Fn(&str) -> Result<Cow<'static, [u8]>>,
    ) -> Result<Kernel> {
        let name = match &self.name {
            Some(name) => check_name("a kernel", name).map_err(|why| name.wrong(why))?.to_owned(),
            None => check_name("a kernel", &folder_name(folder)).map_err(Error::usage)?.to_owned(),
        };
        self.take_whole_sizes()?;
        self.check_names()?;
        let precisions = match &self.precisions {
            Some(none) if none.is_empty() => {
                return Err(none.wrong("'precisions' is empty; name a type, such as f32"));
            }
            Some(some) => some.iter().map(|precision| precision.0).collect(),
            None => vec![Element::F32],
        };
        let command = self.command(folder, is_named)?;
        let description = match &self.description {
            Some(told) if told.contains(char::is_control) => {
                return Err(told.wrong("'description' must be one line"));
            }
            Some(told) => told.to_string(),
            None if self.command.is_some() => "a program".to_owned(),
            None if command.is_some() => "run_benchmark in Python".to_owned(),
            None => return Err(Error::usage("'description' is missing")),
        };
        let code = BuiltIn::named(&name).map(|known| known.code);
        if code.is_none() && self.cuda.is_none() && command.is_none() {
            return Err(Error::usage(
                "there is neither 'cuda' nor 'command', and no Python file that defines run_benchmark",
            ));
        }
        let keys = self.keys()?;
        Ok(Kernel {
            presets: self.presets(&keys)?,
            keys,
            aliases: self.aliases()?,
            precisions,
            bound: self.bound()?,
            inputs: self.inputs.iter().map(|input| self.input(input)).collect::<Result<_>>()?,
            outputs: match &self.outputs {
                None if command.is_none() => {
                    let told = "'outputs' is missing; write {} if it writes nothing";
                    return Err(Error::usage(told));
                }
                _ => self.outputs().map(|output| self.output(output)).collect::<Result<_>>()?,
            },
            reference: self.reference()?,
            host: code.and_then(|code| code.host),
            host_axes: axes(&self.tune.host)?,
            cuda: match &self.cuda {
                Some(part) => Some(Cuda::Own(Box::new(self.cuda(&name, part, read)?))),
                None => code.and_then(|code| code.cublas_lt.then_some(Cuda::CublasLt)),
            },
            scalars: (self.scalars.iter())
                .map(|(name, scalar)| self.formula(name, scalar))
                .collect::<Result<_>>()?,
            origin: None,
            // What lies about changes no run that does not name it.
            default: self.default && (is_named || code.is_some()),
            description: description.into(),
            targets: match (&self.backends, &command) {
                (Some(backends), _) => backends.clone(),
                (None, Some((_, target))) => target.iter().copied().collect(),
                (None, None) => Vec::new(),
            },
            skips: self.skips()?,
            command: command.map(|(command, _)| command),
            name: name.into(),
        })
    }

    fn bound(&self) -> Result<Bound> {
        let told = [("flops", &self.flops), ("bytes", &self.bytes), ("accesses", &self.accesses)];
        let mut told = told.into_iter().filter_map(|(key, at)| Some((key, at.as_ref()?)));
        let Some((key, at)) = told.next() else { return Ok(Bound::Memory(None)) };
        if let Some((other, at)) = told.next() {
            return Err(
                at.wrong(format!("'{other}' and '{key}' are both there; keep what limits it"))
            );
        }
        let formula = self.formula(key, at)?;
        Ok(match key {
            "flops" => Bound::Compute(formula),
            "bytes" => Bound::Memory(Some(formula)),
            _ => Bound::Latency(formula),
        })
    }

    /// Whole numbers that a program is told are sizes as others.
    fn take_whole_sizes(&mut self) -> Result<()> {
        for (name, value) in std::mem::take(&mut self.problem_size) {
            match value.as_u64() {
                Some(number) => {
                    let default = Sizes::Number(number);
                    let size = value.with(Size { help: String::new(), default, divides: false });
                    if self.sizes.insert(name.clone(), size).is_some() {
                        return Err(
                            value.wrong(format!("'{name}' is in 'sizes', too; leave one out"))
                        );
                    }
                }
                None => drop(self.problem_size.insert(name, value)),
            }
        }
        Ok(())
    }

    /// Every name stands for one thing.
    fn check_names(&self) -> Result<()> {
        let sizes = self.sizes.iter().map(|(name, at)| ("a size", name, at.with(())));
        let others = self.problem_size.iter();
        let others = others.map(|(name, at)| ("a setting", name, at.with(())));
        let scalars = self.scalars.iter().map(|(name, at)| ("a scalar", name, at.with(())));
        let inputs = self.inputs.iter().map(|(name, at)| ("an input", name, at.shape.with(())));
        let outputs = self.outputs().map(|(name, at)| ("an output", name, at.shape.with(())));
        let chosen = self.tune.cuda.iter();
        let chosen = chosen.map(|(name, at)| ("what is chosen", name, at.with(())));
        let named = sizes.chain(others).chain(scalars).chain(inputs).chain(outputs).chain(chosen);
        let mut known = vec![
            ("the bytes of an element", ELEMENT_BYTES),
            ("how much the assembler optimises", LEVEL),
            ("operations in a CUDA graph", GRAPH),
        ];
        for (what, name, at) in named {
            check_name(what, name).map_err(|why| at.wrong(why))?;
            if let Some((other, _)) = known.iter().find(|(_, known)| known == name) {
                return Err(at.wrong(format!("'{name}' is {other} and {what}; rename one")));
            }
            known.push((what, name));
            if known.len() > LIMIT {
                let told = format!("there are more than {LIMIT} sizes, scalars and tensors");
                return Err(at.wrong(told));
            }
        }
        Ok(())
    }

    fn aliases(&self) -> Result<Vec<Cow<'static, str>>> {
        let alias = |name: &Placed<String>| {
            let checked = check_name("a kernel", name).map_err(|why| name.wrong(why))?;
            Ok(Cow::Owned(checked.to_owned()))
        };
        self.aliases.iter().map(alias).collect()
    }

    fn keys(&self) -> Result<Vec<Key>> {
        let first = self.sizes.first().map(|(name, _)| name);
        let key = |(name, size): (&String, &Placed<Size>)| {
            let fits = |text: String| {
                parse_sizes(&text)
                    .map_err(|why| size.wrong(format!("'{name}': {}", why.message)))?;
                Ok(Cow::Owned(text))
            };
            let values = match &size.default {
                Sizes::Text(text) if first == Some(text) && first != Some(name) => Values::AsFirst,
                Sizes::Text(text) => Values::Sizes(equal(fits(text.clone())?)),
                Sizes::Number(number) => Values::Sizes(equal(fits(number.to_string())?)),
                Sizes::Presets(presets) => {
                    let [small, medium, large] = presets.each_ref().map(OneSize::text);
                    Values::Sizes([fits(small)?, fits(medium)?, fits(large)?])
                }
            };
            let help = size.help.clone().into();
            Ok(Key { name: name.clone().into(), help, values, divides: size.divides })
        };
        self.sizes.iter().map(key).collect()
    }

    /// A formula that names nothing but sizes.
    pub(super) fn formula(&self, key: &str, formula: &Placed<Formula>) -> Result<Formula> {
        self.check(key, formula, [&**formula])?;
        Ok((**formula).clone())
    }

    pub(super) fn extents(&self, key: &str, extents: &Placed<Extents>) -> Result<Extents> {
        self.check(key, extents, extents.axes().into_iter().flatten())?;
        Ok((**extents).clone())
    }

    pub(super) fn check<'a, T>(
        &self,
        key: &str,
        at: &Placed<T>,
        formulas: impl IntoIterator<Item = &'a Formula>,
    ) -> Result<()> {
        let chosen: Vec<&str> =
            match ["grid", "block", "cluster", "shared_bytes", "arguments"].contains(&key) {
                true => self.tune.cuda.keys().map(String::as_str).collect(),
                false => Vec::new(),
            };
        let sizes = self.sizes.keys().map(String::as_str).chain([ELEMENT_BYTES]);
        let known = || sizes.clone().chain(chosen.iter().copied());
        let mut names = formulas.into_iter().flat_map(Formula::names);
        match names.find(|name| !known().any(|known| known == *name)) {
            None => Ok(()),
            Some(name) => {
                let near = suggestion(name, known().collect::<Vec<_>>());
                Err(at.wrong(format!("'{key}' names '{name}', which is no size; {near}")))
            }
        }
    }

    fn shape(&self, shape: &Placed<Vec<Formula>>) -> Result<Vec<Formula>> {
        self.check("shape", shape, &**shape)?;
        Ok(shape.to_vec())
    }

    fn input(&self, (name, input): (&String, &Input)) -> Result<Tensor> {
        match &*input.fill {
            Fill::Uniform(from, to) if !(from.is_finite() && to.is_finite() && from < to) => {
                Err(input.fill.wrong("'uniform' must be two numbers, the smaller one first"))
            }
            Fill::Modulo(0) => Err(input.fill.wrong("'modulo' is 0; it must be 1 or more")),
            Fill::Whole { most, .. } if !(1..=1 << 24).contains(most) => {
                Err(input.fill.wrong(format!("'most' is {most}; it must be from 1 to 2^24")))
            }
            Fill::Whole { terms, .. } => self.check("terms", &input.fill, [terms]),
            Fill::Below(most) => self.check("below", &input.fill, [most]),
            Fill::Cycle(stride) => self.check("cycle", &input.fill, [stride]),
            _ => Ok(()),
        }?;
        let (shape, dtype) = (self.shape(&input.shape)?, dtype(input.dtype.as_ref()));
        Ok(Tensor { name: name.clone(), dtype, shape, fill: input.fill.clone() })
    }

    fn output(&self, (name, output): (&String, &Output)) -> Result<Tensor> {
        let (shape, dtype) = (self.shape(&output.shape)?, dtype(output.dtype.as_ref()));
        Ok(Tensor { name: name.clone(), dtype, shape, fill: Fill::Spoilt })
    }

    fn reference(&self) -> Result<Option<Reference>> {
        let Some(named) = &self.reference else {
            return match &self.tolerance {
                Some(at) => {
                    Err(at.wrong("'tolerance' needs 'reference', which says what is right"))
                }
                None => Ok(None),
            };
        };
        let known = BuiltIn::named(named).ok_or_else(|| {
            let near = suggestion(named, BuiltIn::ALL.iter().map(|known| known.name));
            let told = format!("'reference' is '{}', which is no built-in kernel; {near}", **named);
            named.wrong(told)
        })?;
        let Tolerances { rmse, relative_error } = &self.tolerances;
        Ok(Some(Reference {
            of: known.name,
            check: known.code.check,
            tolerance: self.tolerance.as_ref().map_or(0.0, |room| room.0),
            relative: relative_error.map_or(0.0, |room| room.0),
            rmse: rmse.map(|room| room.0),
        }))
    }

    /// The program, and what it needs where that is found out.
    fn command(&self, folder: &Path, may_run: bool) -> Result<Option<(Command, Option<Target>)>> {
        let (words, target) = match (&self.command, &self.cuda) {
            (Some(command), Some(_)) => {
                return Err(command.wrong("'command' and 'cuda' are both there; leave one out"));
            }
            (Some(command), _) if command.is_empty() => {
                return Err(command.wrong("'command' is empty; name a program"));
            }
            (Some(command), _) => (command.to_vec(), None),
            (None, Some(_)) => return Ok(None),
            (None, None) => match Command::of_python(folder) {
                Some((words, target)) => (words, Some(target)),
                None => return Ok(None),
            },
        };
        let others =
            self.problem_size.iter().map(|(name, value)| (name.clone(), (**value).clone()));
        // What follows from sizes, a program computes from these.
        let fixed = self.scalars.iter().filter(|(_, scalar)| scalar.names().next().is_none());
        let scalars = fixed.map(|(name, scalar)| (name.clone(), scalar.value(|_| None).into()));
        let constants = others.chain(scalars).collect();
        Ok(Some((Command { words, folder: folder.to_owned(), constants, may_run }, target)))
    }

    fn skips(&self) -> Result<Vec<Skip>> {
        for skip in &self.skip_conditions {
            let names = skip.when.iter().flat_map(Formula::names);
            let mut unknown = names.filter(|name| !self.sizes.contains_key(*name));
            if let Some(name) = unknown.next() {
                return Err(Error::usage(format!(
                    "'skip_conditions' name '{name}', which is no size"
                )));
            }
        }
        Ok(self.skip_conditions.clone())
    }
}

/// The type of a tensor's elements.
fn dtype(told: Option<&TensorType>) -> Dtype {
    match told {
        None => Dtype::OfCase,
        Some(TensorType::One(one)) => Dtype::Always(one.0),
        Some(TensorType::Each(each)) => {
            Dtype::In(each.iter().map(|(case, own)| (case.0, own.0)).collect())
        }
    }
}

/// The last part of a folder's path.
pub(in crate::benchmark::kernel) fn folder_name(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The same for every preset.
fn equal(size: Cow<'static, str>) -> [Cow<'static, str>; 3] {
    [size.clone(), size.clone(), size]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::yaml;
    use crate::benchmark::kernel::Argument;

    const GOOD: &str = r#"
description: y[i] = x[i] * s
sizes:
  n: {help: elements, default: 1000}
  m: {default: n}
precisions: [fp32, double]
scalars: {s: 3}
inputs:
  x: {shape: [n], fill: {modulo: 251}}
outputs: {y: {shape: [n]}}
reference: copy
tolerance: 1
cuda:
  source: kernel.cu
  entries: {f32: scale}
  arguments: [y, x, s, n, "max(n, m)"]
  grid: ceil_div(n, 256)
  block: 256
  shared_bytes: 4*n
"#;

    fn kernel(text: &str) -> Result<Kernel> {
        let read = |file: &str| match file {
            "kernel.cu" => Ok(b"code".into()),
            "kernel.ptx" => Ok(b".target sm_80\n.entry scale(\n)\n{\n}\n".into()),
            "kernel.cubin" => Ok(b"\x7fELF\x01".into()),
            "bytes.ptx" => Ok(b"\xff".into()),
            _ => Err(Error::usage("there is none")),
        };
        Manifest::parse(text).and_then(|of| of.kernel((Path::new("scale"), false), read))
    }

    fn schema() -> jsonschema::Validator {
        let schema = serde_json::to_value(schemars::schema_for!(Manifest)).unwrap();
        jsonschema::validator_for(&schema).unwrap()
    }

    #[test]
    fn every_description_is_valid_under_the_schema() {
        let schema = schema();
        for text in BuiltIn::ALL.iter().map(|known| known.manifest).chain([GOOD]) {
            let value: serde_json::Value = yaml::read_with_names(text).unwrap();
            let wrong = schema.iter_errors(&value).map(|why| why.to_string());
            assert_eq!(wrong.collect::<Vec<_>>(), Vec::<String>::new(), "{text}");
        }
        let broken: serde_json::Value = yaml::read_with_names("descripton: x").unwrap();
        assert!(!schema.is_valid(&broken));
    }

    #[test]
    fn a_description_becomes_a_kernel() {
        let kernel = kernel(GOOD).unwrap();
        assert_eq!(kernel.precisions, Element::WIDE_FLOATS);
        assert!(matches!(kernel.keys[1].values, Values::AsFirst));
        let Some(Cuda::Own(own)) = &kernel.cuda else { panic!("{:?}", kernel.cuda) };
        let words = own.arguments.iter().map(|argument| match argument {
            Argument::Tensor(name) => name.clone(),
            Argument::Scalar(number) => number.value(|_| None).to_string(),
            Argument::Count(count) => count.value(|_| Some(8)).to_string(),
        });
        assert_eq!(words.collect::<Vec<_>>(), ["y", "x", "3", "8", "8"]);
    }

    #[test]
    fn what_is_wrong_with_a_description_is_one_sentence() {
        for (was, is, expected) in [
            (
                "description: y",
                "descripton: y",
                "line 2: 'descripton' is no key here; did you mean 'description'?",
            ),
            ("outputs: {y: {shape: [n]}}\n", "", "'outputs' is missing"),
            (
                "[fp32, double]",
                "[f23]",
                "line 6: 'precisions': precision 'f23' is not known; did you mean 'f32'?",
            ),
            ("[fp32, double]", "[]", "line 6: 'precisions' is empty"),
            (
                "default: 1000",
                "default: 10 apples",
                "line 4: 'n': size '10 apples' is not a number",
            ),
            (
                "default: 1000",
                "default: [1, 2]",
                "line 4: 'default' must be a size, the name of the first size, or three",
            ),
            ("{modulo: 251}", "{modulo: 0}", "line 9: 'modulo' is 0; it must be 1 or more"),
            ("{modulo: 251}", "{random: 1}", "line 9: 'random'"),
            (
                "{modulo: 251}",
                "{uniform: [2, 1]}",
                "line 9: 'uniform' must be two numbers, the smaller one first",
            ),
            (
                "fill: {modulo: 251}",
                "fil: {modulo: 251}",
                "line 9: 'fil' is no key here; did you mean 'fill'?",
            ),
            (
                "shape: [n], fill",
                "shape: [k], fill",
                "line 9: 'shape' names 'k', which is no size; did you mean 'n'?",
            ),
            (
                "shape: [n], fill",
                "shape: [ceil_div(n, 2)], fill",
                "line 9: 'shape': in 'ceil_div(n' it ends at character 11 where there must be a comma (in a list, put",
            ),
            (
                "scalars: {s: 3}",
                "scalars: {n: 3}",
                "line 7: 'n' is a size and a scalar; rename one",
            ),
            ("scalars: {s: 3}", "scalars: {s: many}", "line 7: 's' names 'many', which is no size"),
            (
                "reference: copy",
                "reference: cpy",
                "line 11: 'reference' is 'cpy', which is no built-in kernel; did you mean 'copy'?",
            ),
            (
                "tolerance: 1",
                "tolerance: -1",
                "line 12: 'tolerance' is '-1'; it must be a number, 0 or more",
            ),
            (
                "source: kernel.cu",
                "source: kernel.cpp",
                "line 14: 'source' is 'kernel.cpp': there is none",
            ),
            (
                "source: kernel.cu",
                "source: kernel.cubin",
                "line 14: 'source' is 'kernel.cubin': it is no machine code for NVIDIA's GPUs (a cubin)",
            ),
            (
                "source: kernel.cu",
                "source: bytes.ptx",
                "line 14: 'source' is 'bytes.ptx': it is not UTF-8 text",
            ),
            (
                "source: kernel.cu\n  entries: {f32: scale}",
                "source: kernel.ptx\n  entry: scale<T>",
                "line 14: 'source' is 'kernel.ptx': it has no function 'scale<float>'; it has scale",
            ),
            (
                "{f32: scale}",
                "{f16: scale}",
                "line 15: 'entries' has f16, which 'precisions' has not; add it there",
            ),
            ("s, n, ", "s, k, ", "line 16: 'arguments' names 'k'"),
            ("s, n, ", "s, n*, ", "line 16: 'arguments': in 'n*' it ends at character 3"),
            (
                "ceil_div(n, 256)",
                "ceil_div(n 256)",
                "line 17: 'grid': in 'ceil_div(n 256)' '2' stands at character 12 where there must be a comma",
            ),
            (
                "block: 256",
                "block: [m, 256, 1, 1]",
                "line 18: 'block' must be a list of one to three expressions",
            ),
            ("block: 256", "block: [m, k]", "line 18: 'block' names 'k'"),
            ("block: 256", "block: [m, 2*]", "line 18: 'block': in '2*' it ends"),
            (
                "block: 256",
                "block: 256\n  blocks: 2",
                "line 19: 'blocks' is no key here; did you mean 'block'?",
            ),
            ("  n: {help", "  n:{help", "line"),
            (
                "description: y[i] = x[i] * s",
                "description: \"a\\nb\"",
                "line 2: 'description' must be one line",
            ),
        ] {
            assert!(GOOD.contains(was), "{was}");
            let told = kernel(&GOOD.replacen(was, is, 1)).map(drop).unwrap_err().message;
            assert!(told.contains(expected), "{is}: {told}");
            assert!(told.len() < 250 && !told.contains('\n') && !told.contains('`'), "{told}");
        }
        let read = |_: &str| Ok(b"".into());
        let told =
            Manifest::parse(GOOD).unwrap().kernel((Path::new("my kernel"), false), read).map(drop);
        assert!(told.unwrap_err().message.contains("'my kernel' is no name for a kernel"));
    }
    proptest::proptest! {
        #[test]
        fn no_description_makes_it_panic(
            bytes in crate::base::random::hostile::damaged(GOOD),
            words in crate::base::random::hostile::words(),
        ) {
            let damaged = String::from_utf8_lossy(&bytes).into_owned();
            for text in [damaged, GOOD.replacen("ceil_div(n, 256)", &words, 1), words] {
                let Ok(kernel) = kernel(&text) else { continue };
                let kernel: &'static Kernel = Box::leak(Box::new(kernel));
                let sizes = kernel.keys.iter().map(|key| (key.name.to_string(), 1000.into()));
                let Ok(run) = kernel.run(&sizes.collect(), Element::F64) else { continue };
                assert!(run.bytes() <= 1 << 53);
            }
        }
    }
}
