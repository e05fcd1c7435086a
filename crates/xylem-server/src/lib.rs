//! Management server: API, enrollment, catalogue, orders.
