//! Whether a removed server still gets anything.

use std::time::Duration;

use tokio::time::sleep_until;
use xylem_client::{BaseUrl, ClientError, ContentAuth, ControlClient};
use xylem_pki::{Credentials, Identity};

use super::Person;
use crate::world::{PORT, SERVER};

/// From this time after its removal on, a server gets nothing.
const REVOKED_AFTER: Duration = Duration::from_secs(60);

impl Person {
    /// P5: with the certificate of a server that was removed, asks everybody for everything.
    pub(super) async fn probe_as_removed(&self, seed: u64) -> anyhow::Result<()> {
        let Some((removed, when)) = self.history.lock().removed else { return Ok(()) };
        let Some(member) = self.world.members.get(removed) else { return Ok(()) };
        sleep_until(when + REVOKED_AFTER).await;
        let identity = Identity::new(Credentials::from_pem(member.identity.as_bytes())?);
        let (world, history) = (self.world.clone(), self.history.clone());
        let intruder = Self::with_identity(world, history, seed, Some(&identity))?;

        let url = BaseUrl::new(SERVER, PORT);
        let control = ControlClient::new(intruder.transport.clone(), url);
        intruder.refused("the management server", control.state().await.map(drop));
        let wanted = self.history.lock().wanted();
        for (number, server) in self.world.members.iter().enumerate() {
            if number == removed {
                continue;
            }
            for id in wanted.keys() {
                let auth = ContentAuth::Certificate;
                let answer = intruder.read_as(server.name, id, 0, &auth).await?;
                intruder.refused(server.name, answer.map(drop));
            }
        }
        Ok(())
    }

    fn refused(&self, who: &str, answer: Result<(), ClientError>) {
        let mut record = self.history.lock();
        match answer {
            Ok(()) => {
                record.violations.push(format!("P5: {who} answers a server that was removed"))
            }
            // A refusal is an answer; a broken line would prove nothing.
            Err(ClientError::Answer { .. } | ClientError::Protocol { .. }) => {
                record.figures.refusals += 1;
            }
            Err(_) => {}
        }
    }
}
