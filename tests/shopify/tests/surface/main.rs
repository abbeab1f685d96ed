//! The simulator as its clients see it: over TLS, through its proxy.

#[cfg(test)]
mod bulk;
#[cfg(test)]
mod changes;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod graphql;
#[cfg(test)]
mod images;
#[cfg(test)]
mod oauth;
#[cfg(test)]
mod rest;
#[cfg(test)]
mod scopes;
#[cfg(test)]
mod support;
#[cfg(test)]
mod webhook_delivery;
#[cfg(test)]
mod webhook_retries;
#[cfg(test)]
mod webhook_subscriptions;
#[cfg(test)]
mod write_customers;
#[cfg(test)]
mod write_inventory;
#[cfg(test)]
mod write_metafields;
#[cfg(test)]
mod write_orders;
#[cfg(test)]
mod write_products;
#[cfg(test)]
mod write_variants;
