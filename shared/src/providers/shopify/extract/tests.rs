use serde_json::json;

use super::*;

const FILE: &str = "https://storage.googleapis.com/shopify-tiers-assets-prod/bulk.jsonl?X-Goog-Signature=s";

fn stands(status: serde_json::Value) -> Result<FeedStatus, ProviderError> {
    let mut operation = json!({"status": "RUNNING", "errorCode": null, "objectCount": "0", "rootObjectCount": "0",
        "fileSize": null, "url": null});
    operation.as_object_mut().unwrap().extend(status.as_object().unwrap().clone());
    let data: StatusData = serde_json::from_value(json!({"bulkOperation": operation})).unwrap();
    data.bulk_operation.unwrap().stand()
}

#[test]
fn only_a_completed_operation_with_its_result_is_ready() {
    let ready = stands(
        json!({"status": "COMPLETED", "objectCount": "42", "rootObjectCount": 7, "fileSize": "1000", "url": FILE}),
    );
    let Ok(FeedStatus::Ready { file: Some(file), objects: 42, roots: 7 }) = ready else {
        panic!("{ready:?}")
    };
    assert_eq!((file.url.as_str(), file.size), (FILE, 1000));
    assert_eq!(
        stands(json!({"status": "COMPLETED"})).unwrap(),
        FeedStatus::Ready { file: None, objects: 0, roots: 0 }
    );
    let broken = |why: &str, retry| FeedStatus::Broken { why: why.to_owned(), retry };
    for (status, expected) in [
        (json!({"status": "COMPLETED", "objectCount": "3"}), broken("completed without a result", true)),
        (
            json!({"status": "COMPLETED", "objectCount": "3", "url": FILE, "fileSize": "0"}),
            broken("completed with an empty result", true),
        ),
        (
            json!({"status": "COMPLETED", "objectCount": "3", "url": FILE}),
            broken("completed with an empty result", true),
        ),
        (json!({"status": "FAILED", "errorCode": "ACCESS_DENIED"}), broken("ACCESS_DENIED", false)),
        (json!({"status": "FAILED", "errorCode": "TIMEOUT", "url": FILE}), broken("TIMEOUT", true)),
        (json!({"status": "FAILED"}), broken("FAILED", true)),
        (json!({"status": "CANCELED", "objectCount": "3"}), broken("CANCELED", true)),
        (json!({"status": "CANCELING"}), broken("CANCELING", true)),
        (json!({"status": "EXPIRED"}), broken("EXPIRED", true)),
        (json!({"status": "CREATED"}), FeedStatus::Pending { objects: 0, roots: 0 }),
        (
            json!({"status": "RUNNING", "objectCount": "9", "rootObjectCount": "2"}),
            FeedStatus::Pending { objects: 9, roots: 2 },
        ),
        (json!({"status": "NEW_STATUS"}), FeedStatus::Pending { objects: 0, roots: 0 }),
    ] {
        assert_eq!(stands(status.clone()).unwrap(), expected, "{status}");
    }
}

#[test]
fn results_are_read_from_pinned_hosts_only() {
    assert!(result_url(FILE).is_ok());
    for wrong in [
        "http://storage.googleapis.com/x",
        "https://storage.googleapis.com:8443/x",
        "https://user@storage.googleapis.com/x",
        "https://storage.googleapis.com.evil.example/x",
        "https://evil.example/storage.googleapis.com",
        "https://acme.myshopify.com/x",
        "https://169.254.169.254/latest",
        "file:///etc/passwd",
        "storage.googleapis.com/x",
        "",
    ] {
        assert!(result_url(wrong).is_err(), "{wrong}");
    }
    let error = stands(
        json!({"status": "COMPLETED", "objectCount": "1", "fileSize": "1", "url": "https://evil.example/?sig=secret"}),
    );
    let error = error.unwrap_err().to_string();
    assert!(error.contains("evil.example") && !error.contains("secret"), "{error}");
}

#[tokio::test]
async fn a_stored_address_is_checked_again_before_it_is_read() {
    let context = MapContext { currency: "EUR".into(), stock: true };
    let file = FeedFile { url: "https://evil.example/x".into(), size: 10 };
    let opened = Shopify::new().open_range(Feed::Products, &file, 0..10, false, &context).await;
    assert!(matches!(opened, Err(ProviderError::Malformed { .. })));
    let large = FeedFile { url: FILE.into(), size: MAX_JOINED_BYTES + 1 };
    let opened = Shopify::new().open_range(Feed::Products, &large, 0..10, true, &context).await;
    assert!(matches!(opened, Err(ProviderError::Malformed { .. })));
}

#[test]
fn as_many_operations_as_allowed_means_later_and_anything_else_a_refusal() {
    let error =
        |code: Option<&str>| refused(&[UserError { code: code.map(Into::into), message: "because".into() }]);
    for code in ["LIMIT_REACHED", "OPERATION_IN_PROGRESS"] {
        assert!(matches!(error(Some(code)), Some(ProviderError::Throttled { retry_after: Some(BUSY_WAIT) })));
    }
    assert_eq!(error(Some("INVALID")).unwrap().to_string(), "the shop refused: INVALID");
    assert_eq!(error(None).unwrap().to_string(), "the shop refused: because");
    assert!(refused(&[]).is_none());
}

#[test]
fn bulk_queries_keep_the_rules_of_bulk_operations() {
    for query in [BULK_PRODUCTS, BULK_PRODUCTS_WITHOUT_STOCK, BULK_METAFIELDS, BULK_COLLECTIONS] {
        let connections = query.matches("edges {").count();
        assert!((1..=5).contains(&connections), "{connections} connections: {query}");
        assert!(!query.contains("nodes {") && !query.contains("ruleSet"), "{query}");
        // Depth in connections: the root and at most two below it.
        let depths = query.split_whitespace().scan((Vec::new(), ""), |(open, last), word| {
            match word {
                "{" => open.push(*last == "edges"),
                "}" => {
                    open.pop();
                }
                _ => {}
            }
            *last = word;
            Some(open.iter().filter(|connection| **connection).count())
        });
        assert!(depths.max().unwrap() <= 3, "{query}");
    }
    assert!(!BULK_PRODUCTS_WITHOUT_STOCK.contains("inventoryLevels"));
}

#[test]
fn feeds_and_scopes_follow_what_is_wanted() {
    let shopify = Shopify::new();
    let all: BTreeSet<Wanted> = Wanted::ALL.into_iter().collect();
    assert_eq!(
        shopify.feeds_for(&all),
        [Feed::Products, Feed::Metafields, Feed::Collections].into_iter().collect()
    );
    assert_eq!(shopify.feeds_for(&[Wanted::Warehouses].into_iter().collect()), BTreeSet::new());
    assert_eq!(shopify.scopes_for(Wanted::Stock).to_string(), "read_inventory,read_locations,read_products");
    assert_eq!(shopify.scopes_for(Wanted::Categories).to_string(), "read_products");
}
