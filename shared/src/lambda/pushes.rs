//! Pushes on AWS, put together once for the functions that carry them out.

use std::sync::Arc;

use aws_types::SdkConfig;

use crate::adapters::clients;
use crate::adapters::dynamodb::{
    DynamoBudgets, DynamoKeyStates, DynamoMappings, DynamoPushRuns, DynamoResults,
};
use crate::adapters::push_queue::SqsPushQueue;
use crate::adapters::s3::S3Inputs;
use crate::adapters::system::SystemRandom;
use crate::app::access::Access;
use crate::app::push::Pushes;
use crate::ports::destination::Destination;
use crate::ports::push::RowWriter;

/// Where pushes are kept.
pub struct Kept {
    /// Table of mappings.
    pub destinations_table: String,
    /// Table of pushes.
    pub push_table: String,
    /// Bucket of rows.
    pub inputs_bucket: String,
    /// Address of the queue of steps.
    pub steps_queue: String,
}

/// Pushes into the shops of a platform.
pub fn pushes<P>(sdk: &SdkConfig, kept: Kept, access: Access, platform: Arc<P>) -> Pushes
where
    P: Destination + RowWriter + 'static,
{
    let (tables, clock) = (clients::dynamodb(sdk), access.clock.clone());
    let Kept { destinations_table, push_table, inputs_bucket, steps_queue } = kept;
    Pushes {
        access,
        destination: platform.clone(),
        writer: platform,
        mappings: Arc::new(DynamoMappings::new(tables.clone(), destinations_table)),
        runs: Arc::new(DynamoPushRuns::new(tables.clone(), push_table.clone())),
        inputs: Arc::new(S3Inputs::new(clients::s3(sdk), inputs_bucket)),
        results: Arc::new(DynamoResults::new(tables.clone(), push_table.clone(), clock.clone())),
        states: Arc::new(DynamoKeyStates::new(tables.clone(), push_table.clone(), clock.clone())),
        budgets: Arc::new(DynamoBudgets::new(tables, push_table)),
        queue: Arc::new(SqsPushQueue::new(clients::sqs(sdk), steps_queue)),
        clock,
        random: Arc::new(SystemRandom),
    }
}
