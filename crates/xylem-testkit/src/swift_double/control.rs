//! What a test does with the double beside asking it.

use bytes::Bytes;

use super::{SwiftDouble, SwiftFault, locked};

impl SwiftDouble {
    /// Where tempauth gives tokens.
    pub fn tempauth_url(&self) -> String {
        self.state.url("/auth")
    }

    /// Where Keystone does.
    pub fn keystone_url(&self) -> String {
        self.state.url("/identity")
    }

    /// Where Rackspace's identity service does.
    pub fn rackspace_url(&self) -> String {
        self.state.url("/rackspace")
    }

    /// By which authority it is to be believed.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Has it misbehave from now on.
    pub fn misbehave(&self, fault: SwiftFault) {
        *locked(&self.state.fault) = fault;
    }

    /// How long tokens live that are given from now on, seconds.
    pub fn give_tokens_for(&self, seconds: u64) {
        locked(&self.state.tokens).life_seconds = seconds;
    }

    /// Forgets all tokens that were given.
    pub fn end_tokens(&self) {
        locked(&self.state.tokens).forget();
    }

    /// How many tokens were given.
    pub fn logins(&self) -> usize {
        locked(&self.state.tokens).given
    }

    /// The largest object that is one request from now on, bytes.
    pub fn take_at_most(&self, bytes: u64) {
        *locked(&self.state.max_file_size) = bytes;
    }

    /// The two TempURL keys of the account; empty where none is set.
    pub fn account_keys(&self) -> [String; 2] {
        locked(&self.state.account).keys.clone()
    }

    /// Sets one of them, as somebody else does who may: 0 or 1.
    pub fn set_account_key(&self, slot: usize, key: &str) {
        locked(&self.state.account).keys[slot] = key.to_owned();
    }

    /// The two TempURL keys of a container.
    pub fn container_keys(&self, container: &str) -> [String; 2] {
        locked(&self.state.account).containers[container].keys.clone()
    }

    /// Names of all containers, in order.
    pub fn containers(&self) -> Vec<String> {
        locked(&self.state.account).containers.keys().cloned().collect()
    }

    /// Names of all objects of a container, in order; none where there is no container.
    pub fn names(&self, container: &str) -> Vec<String> {
        let account = locked(&self.state.account);
        let objects = account.containers.get(container).map(|it| it.objects.keys().cloned());
        objects.map(Iterator::collect).unwrap_or_default()
    }

    /// The bytes of an object, of a large one those of its segments.
    pub fn bytes(&self, container: &str, name: &str) -> Option<Bytes> {
        locked(&self.state.account).bytes(container, name)
    }

    /// Writes an object, as somebody else does who has the keys.
    pub fn place(&self, container: &str, name: &str, bytes: impl Into<Bytes>) {
        let now = self.state.now();
        locked(&self.state.account).place(container, name, bytes.into(), now);
    }

    /// Removes an object, as somebody else does who has the keys.
    pub fn take_away(&self, container: &str, name: &str) {
        let mut account = locked(&self.state.account);
        account.containers.get_mut(container).unwrap().objects.remove(name);
    }

    /// Has listings of a container tell the digests of large objects, as in newer versions.
    pub fn tell_large_digests(&self, container: &str) {
        let mut account = locked(&self.state.account);
        account.containers.get_mut(container).unwrap().tells_large = true;
    }

    /// Has listings of a container lag: they do not know an object yet.
    pub fn leave_unlisted(&self, container: &str, name: &str) {
        let mut account = locked(&self.state.account);
        account.containers.get_mut(container).unwrap().unlisted.insert(name.to_owned());
    }

    /// Has the delivery network give a container out.
    pub fn enable_cdn(&self, container: &str) {
        self.state.enable(container);
    }

    /// How long the delivery network keeps what is in a container, seconds; none where it does not
    /// have it.
    pub fn cdn_ttl(&self, container: &str) -> Option<u64> {
        self.state.ttl_of(container)
    }

    /// Method and path of everything that was asked, in order.
    pub fn asked(&self) -> Vec<String> {
        locked(&self.state.asked).clone()
    }
}
