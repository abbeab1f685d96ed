//! The ports, over the wire: DynamoDB, SQS, Secrets Manager, the system clock. Wire types live and die here.

pub mod clients;
pub mod dynamodb;
mod errors;
pub mod secrets;
pub mod sqs;
pub mod system;
