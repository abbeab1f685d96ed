//! Copies of files in S3, each below its store and named by its content.

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use super::errors::port_error;
use crate::domain::ids::StoreId;
use crate::domain::media::ObjectKey;
use crate::ports::PortError;
use crate::ports::media::MediaObjects;

const SERVICE: &str = "objects";

/// Objects in a bucket.
#[derive(Clone)]
pub struct S3Media {
    client: Client,
    bucket: String,
}

impl S3Media {
    /// The bucket of this name.
    pub fn new(client: Client, bucket: String) -> Self {
        Self { client, bucket }
    }
}

#[async_trait]
impl MediaObjects for S3Media {
    async fn put(
        &self,
        store: &StoreId,
        object: &ObjectKey,
        content: Bytes,
        content_type: &str,
    ) -> Result<(), PortError> {
        let put = self.client.put_object().bucket(&self.bucket).key(object.path(store));
        let put = put.content_type(content_type).body(ByteStream::from(content));
        put.send().await.map(drop).map_err(|error| port_error(SERVICE, error))
    }

    async fn delete(&self, store: &StoreId, object: &ObjectKey) -> Result<(), PortError> {
        let delete = self.client.delete_object().bucket(&self.bucket).key(object.path(store));
        delete.send().await.map(drop).map_err(|error| port_error(SERVICE, error))
    }
}
