//! Random bytes.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

/// Gives unpredictable bytes; in simulation, bytes that follow from the seed.
pub trait Rng: Send + Sync + std::fmt::Debug {
    /// Fills the buffer.
    fn fill(&self, buffer: &mut [u8]);
}

/// The operating system's random source.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRng;

impl Rng for SystemRng {
    #[expect(clippy::panic, reason = "going on without random bytes would give away keys")]
    fn fill(&self, buffer: &mut [u8]) {
        if SystemRandom::new().fill(buffer).is_err() {
            panic!("the operating system gives no random bytes");
        }
    }
}

/// An array of random bytes.
pub fn random_array<const N: usize>(rng: &dyn Rng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill(&mut bytes);
    bytes
}
