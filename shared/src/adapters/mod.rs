//! The ports, over the wire: DynamoDB, S3, SQS, Secrets Manager, metrics, the system clock. Wire types live and die here.

pub mod clients;
pub mod dynamodb;
pub mod emf;
mod errors;
pub mod push_queue;
pub mod s3;
pub mod s3_media;
pub mod secrets;
pub mod sqs;
pub mod system;
pub mod webhook_queue;
