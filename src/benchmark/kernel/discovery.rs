//! Kernels of other people: folders that are found, or named with `--kernel-path`.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::manifest::folder_name;
use super::{BuiltIn, Command, Dtype, Formula, KERNELS, Kernel, LEVEL, Manifest, Tensor};
use crate::base::error::{Error, Result};
use crate::base::files::{is_plain, read_bounded, read_bytes};
use crate::base::random::fingerprint;
use crate::benchmark::Key;
use crate::benchmark::collective::COLLECTIVES;
use crate::machine::kernel::HEADERS;

/// Where kernels are looked for, under the working folder.
const FOLDERS: [&str; 5] = [
    "kernels",
    "src/kernels",
    "quasim/kernels",
    "integrations/kernels",
    "autonomous_systems_platform/services/backend/quasim/kernels",
];

/// The description in a kernel's folder.
const MANIFEST: &str = "bench.yaml";

/// Most bytes of a description, and of a source.
const FILE_LIMIT: u64 = 1 << 20;

/// Most bytes of a program, and of ready code.
const PROGRAM_LIMIT: u64 = 64 << 20;

/// Most folders that are looked into.
const FOLDER_LIMIT: usize = 1000;

/// What the process has found; set once, because plans refer to it.
static FOUND: OnceLock<(Vec<PathBuf>, Found)> = OnceLock::new();

/// Kernels that do not come with the program.
#[derive(Debug, Default)]
pub struct Found {
    /// Those that can be measured.
    pub kernels: Vec<Kernel>,
    /// Those that cannot.
    pub refused: Vec<Refused>,
}

/// A folder whose kernel cannot be measured.
#[derive(Debug)]
pub struct Refused {
    /// The name that it would have.
    pub name: String,
    /// The folder.
    pub folder: PathBuf,
    /// Why, in one sentence that names the file, the line and the key.
    pub why: Error,
    /// Whether it lies where the user named a path.
    pub is_named: bool,
}

/// Where a kernel comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Its folder.
    pub folder: PathBuf,
    /// The fingerprint of its description and source.
    pub content: u64,
}

/// A kernel that was found, as plans and reports name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FoundKernel {
    /// Its name.
    pub name: String,
    /// Its folder on rank 0.
    pub folder: String,
    /// Fingerprint of its description and source; null if it could not be used.
    pub content: Option<String>,
    /// Why it could not be used although the user named its path.
    pub refused: Option<String>,
}

/// Looks for kernels under the working folder and in these paths: each a kernel's folder, or a folder with such. Once in
/// a process; later calls must name the same paths.
///
/// # Errors
/// Usage error for a path that has no kernel.
pub fn discover(paths: &[PathBuf]) -> Result<&'static Found> {
    let (known, found) = match FOUND.get() {
        Some(found) => found,
        None => {
            let found = search(Path::new(""), paths)?;
            FOUND.get_or_init(|| (paths.to_vec(), found))
        }
    };
    if known == paths {
        return Ok(found);
    }
    Err(Error::usage("all sides must name the same --kernel-path; kernels are looked for once"))
}

/// What was found; nothing before somebody has looked.
pub fn found() -> &'static Found {
    static NOTHING: Found = Found { kernels: Vec::new(), refused: Vec::new() };
    FOUND.get().map_or(&NOTHING, |(_, found)| found)
}

/// Refuses kernels of rank 0 that this rank has not, or has otherwise.
///
/// # Errors
/// Unfit: the ranks would not measure the same.
pub fn check(of_root: &[FoundKernel]) -> Result<()> {
    for kernel in of_root.iter().filter(|kernel| kernel.refused.is_none()) {
        let FoundKernel { name, folder, .. } = kernel;
        let own = found().kernels.iter().find(|known| known.name == *name);
        let why = match own.and_then(Kernel::facts) {
            Some(own) if own.content == kernel.content => continue,
            Some(own) => format!("'{}' is another one", own.folder),
            None => "there is none".to_owned(),
        };
        return Err(Error::unfit(format!(
            "rank 0 measures the kernel {name} of '{folder}', but here {why}; give every rank the same files, and name \
             the folder by its absolute path with --kernel-path"
        )));
    }
    Ok(())
}

impl Refused {
    /// As plans and reports name it.
    pub fn facts(&self) -> FoundKernel {
        FoundKernel {
            name: self.name.clone(),
            folder: self.folder.display().to_string(),
            content: None,
            refused: Some(self.why.message.clone()),
        }
    }
}

impl Kernel {
    /// What plans and reports say of it, if it was found.
    pub fn facts(&self) -> Option<FoundKernel> {
        let origin = self.origin.as_ref()?;
        Some(FoundKernel {
            name: self.name.to_string(),
            folder: origin.folder.display().to_string(),
            content: Some(format!("{:016x}", origin.content)),
            refused: None,
        })
    }
}

fn search(under: &Path, paths: &[PathBuf]) -> Result<Found> {
    let mut found = Found::default();
    for path in paths {
        let is_kernel = path.join(MANIFEST).exists() || Command::of_python(path).is_some();
        let folders = match is_kernel {
            true => vec![path.clone()],
            false => {
                folders_of(path).map_err(|why| Error::file("look for kernels in", path, why))?
            }
        };
        let before = found.kernels.len() + found.refused.len();
        folders.into_iter().for_each(|folder| found.look_into(folder, None));
        if found.kernels.len() + found.refused.len() == before {
            let told = "neither it nor a folder in it has a bench.yaml of its own";
            return Err(Error::file("look for kernels in", path, told));
        }
    }
    for path in FOLDERS.map(|folder| under.join(folder)) {
        // Most are not there.
        let folders = folders_of(&path).unwrap_or_default();
        folders.into_iter().for_each(|folder| found.look_into(folder, Some(under)));
    }
    Ok(found)
}

/// The folders in a folder, by name.
fn folders_of(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(path)?.collect::<std::io::Result<Vec<_>>>()?;
    let mut folders: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    folders.truncate(FOLDER_LIMIT);
    Ok(folders)
}

impl Found {
    /// Takes a folder that is named; or one that nobody has named, if it keeps within another.
    fn look_into(&mut self, folder: PathBuf, within: Option<&Path>) {
        let file = folder.join(MANIFEST);
        // The same folder may be named by its path, and lie where it is found.
        let is_same = |known: &Path| known == folder || same_file(known, &folder);
        let known = self.kernels.iter().filter_map(|kernel| Some(&kernel.origin.as_ref()?.folder));
        let known = known.chain(self.refused.iter().map(|refused| &refused.folder));
        let is_kernel = file.exists() || Command::of_python(&folder).is_some();
        if !is_kernel || known.into_iter().any(|known| is_same(known)) {
            return;
        }
        let name = folder_name(&folder);
        match load(&folder, &name, within).and_then(|kernel| self.refuse_known_name(kernel, &file))
        {
            Ok(kernel) => self.kernels.extend(kernel),
            Err(why) => {
                let is_named = within.is_none();
                self.refused.push(Refused { name, folder, why, is_named });
            }
        }
    }

    fn refuse_known_name(&self, kernel: Option<Kernel>, file: &Path) -> Result<Option<Kernel>> {
        let Some(kernel) = kernel else { return Ok(None) };
        let is_alias = KERNELS.iter().any(|known| known.aliases.contains(&kernel.name));
        if COLLECTIVES
            .iter()
            .any(|known| known.name == kernel.name || known.aliases.contains(&&*kernel.name))
            || is_alias
        {
            let told = format!("'{}' is the name of a built-in benchmark; rename it", kernel.name);
            return Err(Error::file("use the kernel", file, told));
        }
        let known = self.kernels.iter().find(|known| known.name == kernel.name);
        match known.and_then(|known| known.origin.as_ref()) {
            Some(origin) => {
                let told = format!("its name is that of '{}'; rename one", origin.folder.display());
                Err(Error::file("use the kernel", file, told))
            }
            None => Ok(Some(kernel)),
        }
    }
}

fn same_file(one: &Path, other: &Path) -> bool {
    one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

/// What is wrong with a folder that nobody has named and that would have other files read.
const LEADS_OUT: &str = "it is a link or a source with 'include', which may lead to other files; name its folder with --kernel-path";

/// Whether a file lies within a folder, whatever links lead to it; everything does in a folder that is named.
fn keeps_within(file: &Path, within: Option<&Path>) -> bool {
    let Some(within) = within else { return true };
    let within = if within == Path::new("") { Path::new(".") } else { within };
    let paths = within.canonicalize().and_then(|within| Ok((within, file.canonicalize()?)));
    paths.is_ok_and(|(within, file)| file.starts_with(within))
}

/// The kernel in a folder; nothing if it is one that comes with the program, unchanged.
fn load(folder: &Path, name: &str, within: Option<&Path>) -> Result<Option<Kernel>> {
    let file = folder.join(MANIFEST);
    let wrong = |why: Error| Error::file("use the kernel", &file, why);
    if !is_plain(&file) {
        return Err(wrong(Error::usage("it is no plain file")));
    }
    if file.exists() && !keeps_within(&file, within) {
        return Err(wrong(Error::usage(LEADS_OUT)));
    }
    // A Python program needs no description.
    let text = if file.exists() { read_bounded(&file, FILE_LIMIT)? } else { "{}".to_owned() };
    // Programs are started elsewhere.
    let place = folder.canonicalize().map_err(|why| Error::file("read", folder, why))?;
    let source = |source: &str| match Path::new(source).file_name() {
        Some(name) if name == source && is_plain(&folder.join(source)) => {
            let file = folder.join(source);
            let is_ready = source.ends_with(".ptx") || source.ends_with(".cubin");
            let bytes = read_bytes(&file, if is_ready { PROGRAM_LIMIT } else { FILE_LIMIT })?;
            let text = String::from_utf8_lossy(if is_ready { b"" } else { &bytes });
            // A compiler would read for it what nobody has named.
            let joined = text.replace("\\\r\n", "").replace("\\\n", "");
            let is_own = |line: &str| {
                HEADERS.iter().any(|(name, _)| line.trim() == format!("#include <{name}>"))
            };
            let includes = |text: &str| text.contains("include") && !is_own(text);
            let leads_out = within.is_some() && joined.lines().any(includes);
            match keeps_within(&file, within) && !leads_out {
                true => Ok(Cow::Owned(bytes)),
                false => Err(Error::usage(LEADS_OUT)),
            }
        }
        _ => Err(Error::usage("it must be a file in the kernel's folder")),
    };
    let mut content = text.clone().into_bytes();
    let kernel = Manifest::parse(&text).and_then(|manifest| {
        if let Some(known) = BuiltIn::named(&manifest.name(name)) {
            let own = known.source.map(|_| source("kernel.cu")).transpose();
            let is_known =
                |own: Option<Cow<'_, [u8]>>| own.as_deref() == known.source.map(str::as_bytes);
            if text == known.manifest && own.is_ok_and(is_known) {
                return Ok(None);
            }
            let told = "is the name of a built-in kernel; rename it";
            return Err(Error::usage(format!("'{}' {told}", known.name)));
        }
        let kernel = manifest.kernel((&place, within.is_none()), source)?;
        kernel.check_reference()?;
        Ok(Some(kernel))
    });
    let Some(mut kernel) = kernel.map_err(wrong)? else { return Ok(None) };
    content.extend(kernel.source().iter().flat_map(|source| source.code.bytes()));
    let words = kernel.command.iter().flat_map(|command| &command.words);
    let is_own =
        |word: &&String| Path::new(word).file_name().is_some_and(|name| name == word.as_str());
    let files = words.filter(is_own).map(|word| folder.join(word));
    for file in files.filter(|file| file.is_file()) {
        content.extend(read_bytes(&file, PROGRAM_LIMIT).map_err(wrong)?);
    }
    let content = fingerprint(content);
    kernel.origin = Some(Origin { folder: folder.to_owned(), content });
    Ok(Some(kernel))
}

impl Kernel {
    /// Refuses a reference for another number of tensors, axes or scalars than there are.
    fn check_reference(&self) -> Result<()> {
        let Some(model) = self.model() else { return Ok(()) };
        let axes = |kernel: &Self| -> Vec<usize> {
            kernel.tensors().map(|tensor| tensor.shape.len()).collect()
        };
        let left_out = model.scalars.get(self.scalars.len()..);
        let are_as_many = self.inputs.len() == model.inputs.len()
            && left_out.is_some_and(|left| left.iter().all(|scalar| model.is_switch(scalar)));
        if are_as_many && axes(self) == axes(model) {
            return match model.is_particular_to(self.scalars.len()) && !self.takes_what(model) {
                false => Ok(()),
                true => Err(Error::usage(format!(
                    "'reference' is '{0}', which is right for its own sizes, scalars and tensors only; take those of \
                     kernels/{0}/bench.yaml, or leave 'reference' out",
                    model.name
                ))),
            };
        }
        Err(Error::usage(format!(
            "'reference' is '{}', which has {}; give it as many, or leave 'reference' out",
            model.name,
            model.signature()
        )))
    }

    /// Whether a scalar says what else is to be done, which is nothing unless a size is set: a reference may be taken
    /// without it.
    fn is_switch(&self, scalar: &Formula) -> bool {
        let is_off = |name: &str| self.keys.iter().any(|key| key.name == name && key.may_be_zero());
        scalar.names().next().is_some() && scalar.names().all(is_off)
    }

    /// Whether what it computes from so many of its scalars depends on more than equal axes: on places in other tensors,
    /// on scalars that follow from sizes, or on axes that follow from others. Its reference would be lost with others.
    pub(super) fn is_particular_to(&self, scalars: usize) -> bool {
        let has_places =
            |tensor: &Tensor| matches!(tensor.dtype, Dtype::Always(of) if !of.is_float());
        let of_sizes = |scalar: &Formula| scalar.names().next().is_some();
        let axes: Vec<&Formula> = self.tensors().flat_map(|tensor| &tensor.shape).collect();
        let follows = |axis: &&Formula| {
            let names = |other: &&&Formula| {
                **other != *axis && other.names().any(|name| axis.names().any(|own| own == name))
            };
            axes.iter().any(|other| names(&other))
        };
        self.inputs.iter().any(has_places)
            || self.scalars.iter().take(scalars).any(of_sizes)
            || axes.iter().any(follows)
    }

    /// Whether sizes, scalars and tensors are those of another, whatever they are called.
    fn takes_what(&self, model: &Self) -> bool {
        let is_same = |(own, other): (&Tensor, &Tensor)| {
            own.dtype == other.dtype && own.shape == other.shape && own.fill == other.fill
        };
        let has = |key: &Key| {
            let own = self.keys.iter().find(|own| own.name == key.name);
            own.is_some_and(|own| own.may_be_zero() == key.may_be_zero())
        };
        model.keys.iter().filter(|key| key.name != LEVEL).all(has)
            && self.scalars == model.scalars
            && self.tensors().zip(model.tensors()).all(is_same)
    }

    /// The built-in kernel that says what is right.
    pub(super) fn model(&self) -> Option<&'static Self> {
        let reference = self.reference.as_ref()?;
        KERNELS.iter().find(|known| known.name == reference.of)
    }

    /// Its tensors and scalars, in words.
    fn signature(&self) -> String {
        let tensors = self.tensors().map(|tensor| {
            let axes = tensor.shape.len();
            format!("{} of {axes} {}", tensor.name, if axes == 1 { "axis" } else { "axes" })
        });
        let mut words: Vec<String> = tensors.collect();
        // Where the outputs begin.
        if let Some(first) = words.get_mut(self.inputs.len()) {
            first.insert_str(0, "output ");
        }
        words.push(crate::base::units::counted(self.scalars.len(), "scalar"));
        words.join(", ")
    }
}
