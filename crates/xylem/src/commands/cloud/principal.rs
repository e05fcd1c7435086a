//! Making the cloud the principal.

use std::time::Duration;

use xylem_api::cloud::{CloudMadePrincipal, MakeCloudPrincipal};

use crate::Failure;
use crate::access::Access;
use crate::output::Output;

/// How often it is asked how far the filling is.
const ASK_EVERY: Duration = Duration::from_secs(3);

/// Makes it at once, or, with `fill`, once everything is there. Whoever stops waiting can go on later:
/// what was sent stays.
pub(super) async fn make(fill: bool, access: &Access, output: &Output) -> Result<(), Failure> {
    let asked = MakeCloudPrincipal { fill };
    let mut bar = None;
    loop {
        let told = access.admin.make_cloud_principal(&asked).await?;
        if told.done {
            return output.value(&told, done);
        }
        if let Some(why) = &told.waits {
            return Err(Failure::new(format!(
                "the cloud is not the principal yet, and does not come to be: {why}. Ask again then; \
                 what was sent stays"
            )));
        }
        let bar = bar.get_or_insert_with(|| output.bar("the cloud", told.missing_bytes));
        let all = bar.length().unwrap_or(0).max(told.missing_bytes);
        bar.set_length(all);
        bar.set_position(all - told.missing_bytes);
        tokio::time::sleep(ASK_EVERY).await;
    }
}

fn done(told: &CloudMadePrincipal) -> String {
    format!(
        "The cloud is the principal now (root epoch {}): files enter at the root, and are in the \
         catalogue once they are in the cloud.\n",
        told.root_epoch
    )
}
