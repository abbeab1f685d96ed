//! The ports, over the wire: DynamoDB, SQS, Secrets Manager, the system clock. Wire types live and die here.
