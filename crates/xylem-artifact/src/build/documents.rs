//! The two documents of a package: `PackageInfo` and `Distribution`.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use quick_xml::escape::escape;

use super::component::ComponentBuilder;
use super::product::ProductBuilder;
use crate::package::RestartAction;

/// What the path of a component may hold unescaped.
const PLAIN_IN_PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// A component's `PackageInfo`.
pub(super) fn package_info(component: &ComponentBuilder, number_of_files: usize) -> String {
    let action = match component.postinstall_action {
        RestartAction::None | RestartAction::RecommendRestart => "none",
        RestartAction::Logout => "logout",
        RestartAction::Restart => "restart",
        RestartAction::Shutdown => "shutdown",
    };
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<pkg-info overwrite-permissions=\"true\" \
         relocatable=\"false\" identifier=\"{}\" postinstall-action=\"{action}\" version=\"{}\" \
         format-version=\"2\" generator-version=\"xylem-artifact\" install-location=\"{}\" \
         auth=\"root\"",
        escape(component.identifier.as_str()),
        escape(component.version.as_str()),
        escape(component.install_location.as_str()),
    );
    // Writing to a String cannot fail, here and below.
    if let Some(minimum_os) = &component.minimum_os {
        let _ = write!(xml, " minimumSystemVersion=\"{}\"", escape(minimum_os.as_str()));
    }
    xml.push_str(">\n");
    if number_of_files > 0 {
        let kbytes = component.install_kbytes;
        let _ = writeln!(
            xml,
            "    <payload numberOfFiles=\"{number_of_files}\" installKBytes=\"{kbytes}\"/>"
        );
    }
    if !component.scripts.is_empty() {
        xml.push_str("    <scripts>\n");
        for name in component.scripts.keys() {
            let name = escape(name.as_str());
            let _ = writeln!(xml, "        <{name} file=\"./{name}\"/>");
        }
        xml.push_str("    </scripts>\n");
    }
    must_close(&mut xml, &component.must_close);
    xml.push_str("</pkg-info>\n");
    xml
}

/// A product archive's `Distribution`.
pub(super) fn distribution(product: &ProductBuilder) -> String {
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<installer-gui-script minSpecVersion=\"2\">\n\
         <title>{}</title>\n<product id=\"{}\" version=\"{}\"/>\n<options customize=\"allow\" \
         require-scripts=\"false\" hostArchitectures=\"{}\"/>\n",
        escape(product.title.as_str()),
        escape(product.identifier.as_str()),
        escape(product.version.as_str()),
        escape(product.host_architectures.join(",")),
    );
    if let Some(minimum_os) = &product.minimum_os {
        let _ = writeln!(
            xml,
            "<volume-check><allowed-os-versions><os-version min=\"{}\"/></allowed-os-versions>\
             </volume-check>",
            escape(minimum_os.as_str()),
        );
    }
    xml.push_str("<choices-outline>");
    for number in 0..product.components.len() {
        let _ = write!(xml, "<line choice=\"choice{number}\"/>");
    }
    xml.push_str("</choices-outline>\n");
    for (number, component) in product.components.iter().enumerate() {
        let identifier = escape(component.identifier.as_str());
        let _ = write!(
            xml,
            "<choice id=\"choice{number}\" title=\"{identifier}\" visible=\"true\" \
             start_selected=\"true\"><pkg-ref id=\"{identifier}\">",
        );
        must_close(&mut xml, &component.must_close);
        xml.push_str("</pkg-ref></choice>\n");
    }
    for component in &product.components {
        let _ = writeln!(
            xml,
            "<pkg-ref id=\"{}\" version=\"{}\" onConclusion=\"{}\" installKBytes=\"{}\">#{}</pkg-ref>",
            escape(component.identifier.as_str()),
            escape(component.version.as_str()),
            on_conclusion(product.restart),
            component.install_kbytes,
            utf8_percent_encode(&component.folder(), PLAIN_IN_PATH),
        );
    }
    xml.push_str("</installer-gui-script>\n");
    xml
}

fn on_conclusion(restart: RestartAction) -> &'static str {
    match restart {
        RestartAction::None => "none",
        RestartAction::RecommendRestart => "RecommendRestart",
        RestartAction::Logout => "RequireLogout",
        RestartAction::Restart => "RequireRestart",
        RestartAction::Shutdown => "RequireShutdown",
    }
}

fn must_close(xml: &mut String, applications: &[String]) {
    if applications.is_empty() {
        return;
    }
    xml.push_str("<must-close>");
    for id in applications {
        let _ = write!(xml, "<app id=\"{}\"/>", escape(id.as_str()));
    }
    xml.push_str("</must-close>");
}
