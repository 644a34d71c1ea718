//! The secret that the ranks of one job share, so that the server rejects others.

use std::fmt;
use std::fs::File;
use std::io::Read as _;

use subtle::ConstantTimeEq as _;

/// Sixteen random bytes that the server and the ranks of one job share. `Debug` does not show them, and they are
/// compared in constant time.
#[derive(Clone, Copy, Eq)]
pub struct Token([u8; 16]);

impl Token {
    /// A new token from the operating system's random generator.
    pub fn random() -> std::io::Result<Self> {
        let mut bytes = [0; 16];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// The token that another process created.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes, to be sent to the other ranks.
    pub const fn bytes(&self) -> [u8; 16] {
        self.0
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_are_not_shown() {
        let (one, other) = (Token::random().unwrap(), Token::random().unwrap());
        assert_ne!(one, other);
        assert_eq!(one, Token::from_bytes(one.bytes()));
        assert_eq!(format!("{one:?}"), "Token(..)");
    }
}
