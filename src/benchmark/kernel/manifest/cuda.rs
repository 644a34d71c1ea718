//! From a description to a function in CUDA C++.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::path::Path;

use indexmap::IndexMap;

use super::super::{Argument, Axis, CudaKernel, Formula};
use super::{CudaPart, Manifest, Precision};
use crate::base::error::{Error, Result};
use crate::base::yaml::Placed;
use crate::benchmark::Element;
use crate::machine::kernel::{Code, Source};

impl Manifest {
    pub(super) fn cuda(
        &self,
        name: &str,
        part: &CudaPart,
        read: impl Fn(&str) -> Result<Cow<'static, [u8]>>,
    ) -> Result<CudaKernel> {
        let wrong = |why: Error| {
            part.source.wrong(format!("'source' is '{}': {}", *part.source, why.message))
        };
        let code = read(&part.source).and_then(|bytes| code(&part.source, bytes)).map_err(wrong)?;
        let source = Source { name: name.to_owned().into(), code };
        let entries = self.entries(part)?;
        if let Some(functions) = source.ready_functions().map_err(wrong)?
            && let Some((_, entry)) =
                entries.iter().find(|(_, of)| !functions.iter().any(|it| it == of))
        {
            let known = if functions.is_empty() { "none".to_owned() } else { functions.join(", ") };
            let told = format!("it has no function '{entry}'; it has {known}");
            return Err(wrong(Error::usage(told)));
        }
        Ok(CudaKernel {
            source,
            entries,
            arguments: part
                .arguments
                .iter()
                .map(|text| self.argument(text))
                .collect::<Result<_>>()?,
            grid: self.extents("grid", &part.grid)?,
            block: self.extents("block", &part.block)?,
            cluster: match &part.cluster {
                Some(cluster) => Some(self.extents("cluster", cluster)?),
                None => None,
            },
            shared_bytes: match &part.shared_bytes {
                Some(bytes) => self.formula("shared_bytes", bytes)?,
                None => Formula::of(0.0),
            },
            queued: part.queued.unwrap_or(true),
            axes: axes(&self.tune.cuda)?,
        })
    }

    /// The function for each type.
    fn entries(&self, part: &CudaPart) -> Result<Vec<(Element, Cow<'static, str>)>> {
        let elements = || match &self.precisions {
            Some(known) => known.iter().map(|precision| precision.0).collect(),
            None => vec![Element::F32],
        };
        match (&part.entry, &part.entries) {
            (Some(one), None) => {
                let entry = |element| (element, of_type(one, cuda_type(element)).into());
                Ok(elements().into_iter().map(entry).collect())
            }
            (None, Some(each)) => {
                let unknown = each.keys().find(|precision| !elements().contains(&precision.0));
                if let Some(Precision(element)) = unknown {
                    let name = element.name();
                    let told = "which 'precisions' has not; add it there";
                    return Err(each.wrong(format!("'entries' has {name}, {told}")));
                }
                Ok(each
                    .iter()
                    .map(|(precision, entry)| (precision.0, entry.clone().into()))
                    .collect())
            }
            (Some(one), Some(_)) => {
                Err(one.wrong("'entry' and 'entries' are both there; leave one out"))
            }
            (None, None) => {
                let told = "there is neither 'entry', the function for all types, nor 'entries', one for each";
                Err(part.source.wrong(told))
            }
        }
    }

    fn argument(&self, text: &Placed<String>) -> Result<Argument> {
        if self.inputs.contains_key(&**text) || self.outputs().any(|(name, _)| *name == **text) {
            return Ok(Argument::Tensor(text.to_string()));
        }
        if let Some(scalar) = self.scalars.get(&**text) {
            return Ok(Argument::Scalar((**scalar).clone()));
        }
        let formula = Formula::parse(text)
            .map_err(|why| text.wrong(format!("'arguments': {}", why.message)))?;
        self.check("arguments", text, [&formula])?;
        Ok(Argument::Count(formula))
    }
}

/// What a file holds, by its ending.
fn code(file: &str, bytes: Cow<'static, [u8]>) -> Result<Code> {
    match Path::new(file).extension().and_then(OsStr::to_str) {
        Some("cubin") => Ok(Code::Cubin(bytes)),
        Some("ptx") => text(bytes).map(Code::Ptx),
        _ => text(bytes).map(Code::Cuda),
    }
}

/// Text of a file.
fn text(bytes: Cow<'static, [u8]>) -> Result<Cow<'static, str>> {
    let wrong = || Error::usage("it is not UTF-8 text");
    match bytes {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| wrong()),
        Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|_| wrong()),
    }
}

/// What is chosen, of which each has values.
pub(super) fn axes(of: &IndexMap<String, Placed<Vec<u64>>>) -> Result<Vec<Axis>> {
    let axis = |(name, values): (&String, &Placed<Vec<u64>>)| match values.is_empty() {
        true => Err(values.wrong(format!("'{name}' must have values"))),
        false => Ok(Axis { name: name.clone(), values: values.to_vec() }),
    };
    // They become macros in capitals.
    let capitals = |(name, _): (&String, _)| name.to_ascii_uppercase();
    let names: std::collections::BTreeSet<String> = of.iter().map(capitals).collect();
    if let Some((name, values)) = of.last().filter(|_| names.len() < of.len()) {
        return Err(values.wrong(format!("'{name}' or another name differs in capitals only")));
    }
    of.iter().map(axis).collect()
}

/// The name of a function, where `T` is this type.
fn of_type(entry: &str, name: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut words = String::new();
    let mut rest = entry;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| is_word(c) != is_word(first)).unwrap_or(rest.len());
        words.push_str(if &rest[..end] == "T" { name } else { &rest[..end] });
        rest = &rest[end..];
    }
    words
}

/// What a type is called in CUDA C++; narrow floats as in `kernels/include/tesserabench/number.cuh`.
fn cuda_type(element: Element) -> &'static str {
    match element {
        Element::F32 | Element::Tf32 => "float",
        Element::F64 => "double",
        Element::F16 => "f16",
        Element::Bf16 => "bf16",
        Element::Fp8E4m3 => "e4m3",
        Element::Fp8E5m2 => "e5m2",
        Element::I8 => "signed char",
        Element::I16 => "short",
        Element::I32 => "int",
        Element::I64 => "long long",
        Element::U8 | Element::Fp6 | Element::Fp4 => "unsigned char",
        Element::U16 => "unsigned short",
        Element::U32 => "unsigned",
        Element::U64 => "unsigned long long",
    }
}
