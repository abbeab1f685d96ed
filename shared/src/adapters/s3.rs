//! Rows of pushes in S3: one object a page, below the store and the run they came with. The bucket encrypts them and lets
//! them go after 30 days.

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;

use super::errors::port_error;
use crate::domain::ids::{RunId, StoreId};
use crate::ports::PortError;
use crate::ports::push_store::Inputs;

const SERVICE: &str = "inputs";

/// Rows in a bucket.
#[derive(Clone)]
pub struct S3Inputs {
    client: Client,
    bucket: String,
}

impl S3Inputs {
    /// The bucket of this name.
    pub fn new(client: Client, bucket: String) -> Self {
        Self { client, bucket }
    }
}

/// Neither id can hold a slash, so that no store's keys begin like another's.
fn key(store: &StoreId, run: &RunId, page: u32) -> String {
    format!("{store}/{run}/{page}.json")
}

#[async_trait]
impl Inputs for S3Inputs {
    async fn put(&self, store: &StoreId, run: &RunId, page: u32, bytes: Vec<u8>) -> Result<(), PortError> {
        let put = self.client.put_object().bucket(&self.bucket).key(key(store, run, page));
        let put = put.content_type("application/json").body(ByteStream::from(bytes));
        put.send().await.map(drop).map_err(|error| port_error(SERVICE, error))
    }

    async fn get(&self, store: &StoreId, run: &RunId, page: u32) -> Result<Option<Vec<u8>>, PortError> {
        let got = self.client.get_object().bucket(&self.bucket).key(key(store, run, page)).send().await;
        let got = match got {
            Ok(got) => got,
            Err(error) if error.as_service_error().is_some_and(|refused| refused.is_no_such_key()) => {
                return Ok(None);
            }
            Err(error) => return Err(port_error(SERVICE, error)),
        };
        let bytes = got.body.collect().await;
        let broken = |error: aws_sdk_s3::primitives::ByteStreamError| PortError::Unavailable {
            service: SERVICE,
            source: Some(error.into()),
        };
        Ok(Some(bytes.map_err(broken)?.to_vec()))
    }
}
