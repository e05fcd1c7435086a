//! The four seams, on turmoil.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use xylem_model::Timestamp;
use xylem_runtime::{Accepted, Clock, Disk, Environment, Listener, Net, Rng, Stream};

use crate::disk::SimFs;
use crate::machine::Machine;

/// When simulated time begins.
const BEGINNING: i64 = 1_790_000_000_000;

/// The environment of one simulated host.
pub(crate) fn environment(seed: u64, machine: &Arc<Machine>) -> Environment {
    Environment {
        clock: Arc::new(SimClock(Arc::clone(machine))),
        disk: Disk::in_place(Arc::new(SimFs::new(seed, machine))),
        net: Arc::new(SimNet),
        rng: Arc::new(SimRng(Mutex::new(StdRng::seed_from_u64(seed)))),
    }
}

/// Simulated time, as the machine's clock shows it.
#[derive(Debug)]
struct SimClock(Arc<Machine>);

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let elapsed = turmoil::sim_elapsed().unwrap_or_default();
        let right = Timestamp::from_unix_ms(BEGINNING).plus(elapsed);
        Timestamp::from_unix_ms(right.unix_ms().saturating_add(self.0.clock_error_ms()))
    }
}

/// The moment simulated time begins.
pub(crate) fn beginning() -> Timestamp {
    Timestamp::from_unix_ms(BEGINNING)
}

/// The moment, by a clock that is right.
pub(crate) fn now() -> Timestamp {
    beginning().plus(turmoil::sim_elapsed().unwrap_or_default())
}

#[derive(Debug)]
struct SimRng(Mutex<StdRng>);

impl Rng for SimRng {
    fn fill(&self, buffer: &mut [u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill(buffer);
    }
}

#[derive(Debug)]
struct SimNet;

#[async_trait]
impl Net for SimNet {
    async fn listen(&self, address: SocketAddr) -> io::Result<Box<dyn Listener>> {
        Ok(Box::new(SimListener(turmoil::net::TcpListener::bind(address).await?)))
    }

    async fn connect(&self, host: &str, port: u16) -> io::Result<Box<dyn Stream>> {
        Ok(Box::new(turmoil::net::TcpStream::connect((host, port)).await?))
    }
}

struct SimListener(turmoil::net::TcpListener);

#[async_trait]
impl Listener for SimListener {
    async fn accept(&self) -> io::Result<(Accepted, SocketAddr)> {
        let (stream, peer) = self.0.accept().await?;
        Ok((Accepted::Stream(Box::new(stream)), peer))
    }

    fn local_address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}
