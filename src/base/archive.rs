//! One file that holds many.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, Header};

use super::error::{Error, Result};

/// A compressed tar of files by their names in `folder`.
///
/// # Errors
/// Internal error for a name that a tar cannot hold.
pub fn tar_gz(folder: &str, files: &[(String, Vec<u8>)], seconds: u64) -> Result<Vec<u8>> {
    let failed = |why: std::io::Error| Error::internal(format!("cannot write an archive: {why}"));
    let mut tar = Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
    for (name, bytes) in files {
        let mut header = Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(seconds);
        tar.append_data(&mut header, format!("{folder}/{name}"), &bytes[..]).map_err(failed)?;
    }
    let mut packed = tar.into_inner().map_err(failed)?;
    packed.flush().map_err(failed)?;
    packed.finish().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_out_as_they_went_in() {
        let long = "x".repeat(150);
        let files = [("a.txt".to_owned(), b"one".to_vec()), (format!("d/{long}"), vec![7; 5000])];
        let packed = tar_gz("top", &files, 1_000_000_000).unwrap();
        let folder = tempfile::tempdir().unwrap();
        tar::Archive::new(flate2::read::GzDecoder::new(&packed[..])).unpack(&folder).unwrap();
        let short = std::fs::read(folder.path().join("top/a.txt")).unwrap();
        assert_eq!(short, b"one");
        let tar_name = |packed: &[u8]| {
            let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(packed));
            let names = tar.entries().unwrap().map(|it| it.unwrap().path().unwrap().into_owned());
            names.map(|name| name.display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(tar_name(&packed), ["top/a.txt".to_owned(), format!("top/d/{long}")]);
        assert!(tar_gz("top", &[("../x".to_owned(), Vec::new())], 0).is_err());
    }
}
