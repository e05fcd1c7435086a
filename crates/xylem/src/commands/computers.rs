//! Computers and their orders.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;
use xylem_api::agent::{Computer, OrderInfo, OrderState};

use crate::Failure;
use crate::access::Access;
use crate::cli::{ComputerCommand, InstallOptions};
use crate::output::{Output, facts, or_dash, table};

/// How often an awaited order is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A computer with its orders, as `computer show` prints it.
#[derive(Serialize)]
struct Detail {
    computer: Computer,
    orders: Vec<OrderInfo>,
}

pub(crate) async fn run(
    command: ComputerCommand,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    let admin = &access.admin;
    match command {
        ComputerCommand::List => output.value(&admin.computers().await?, |computers| {
            let rows: Vec<Vec<String>> = computers
                .iter()
                .map(|it| {
                    vec![
                        it.name.clone(),
                        or_dash(it.site.as_ref()),
                        or_dash(it.os.as_ref()),
                        or_dash(it.program_version.as_ref()),
                        or_dash(it.last_seen),
                    ]
                })
                .collect();
            table(&["NAME", "SITE", "SYSTEM", "VERSION", "LAST SEEN"], &rows)
        }),
        ComputerCommand::Show { name } => {
            let computer = admin.computer(&name).await?;
            let orders = admin.orders(&name).await?;
            output.value(&Detail { computer, orders }, detail)
        }
        ComputerCommand::Remove { name } => {
            admin.remove_computer(&name).await?;
            output.say(&format!("Removed {name}; its certificate counts no more."))
        }
    }
}

/// `xylem install`.
pub(crate) async fn install(
    options: InstallOptions,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    let InstallOptions { on, package, .. } = &options;
    let mut order = match options.test {
        true => access.admin.order_test(on, package).await?,
        false => access.admin.order(on, package).await?,
    };
    let end = options.wait.map(|wait| Instant::now() + wait);
    while let Some(end) = end.filter(|_| order.state == OrderState::Pending) {
        if Instant::now() >= end {
            return Err(Failure::new(format!(
                "{} has not reported on {} yet; the order {} stays",
                order.computer, order.package, order.id
            )));
        }
        tokio::time::sleep(LOOK_EVERY).await;
        order = access.admin.order_info(order.id).await?;
    }
    output.value(&order, |order| orders(std::slice::from_ref(order)))?;
    if order.state == OrderState::Failed {
        let why = order.report.map(|report| report.message).unwrap_or_default();
        return Err(Failure::new(format!("{} was not installed: {why}", order.package)));
    }
    Ok(())
}

fn detail(it: &Detail) -> String {
    let computer = &it.computer;
    let mut text = facts(&[
        ("Name", computer.name.clone()),
        ("Id", computer.id.to_string()),
        ("Site", or_dash(computer.site.as_ref())),
        ("Serial number", or_dash(computer.serial_number.as_ref())),
        ("System", or_dash(computer.os.as_ref())),
        ("Agent", or_dash(computer.program_version.as_ref())),
        ("Enrolled", computer.enrolled_at.to_string()),
        ("Last seen", or_dash(computer.last_seen)),
    ]);
    text.push('\n');
    text + &orders(&it.orders)
}

fn orders(orders: &[OrderInfo]) -> String {
    let rows: Vec<Vec<String>> = orders
        .iter()
        .map(|order| {
            let state = match order.state {
                OrderState::Cancelled => "cancelled",
                OrderState::Done => "done",
                OrderState::Failed => "failed",
                OrderState::Pending => "pending",
            };
            let report = order.report.as_ref();
            vec![
                order.package.clone(),
                order.version.to_string(),
                order.computer.clone(),
                state.to_owned(),
                order.created_at.to_string(),
                or_dash(report.map(|it| format!("{}: {}", it.result, it.message))),
            ]
        })
        .collect();
    table(&["PACKAGE", "VERSION", "COMPUTER", "STATE", "GIVEN", "REPORT"], &rows)
}
