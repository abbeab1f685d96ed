use serde_json::{Value, json};

use crate::support::{READ, Receiver, Sim, WRITE, codes};

const SET: &str = "mutation($identifier: ProductSetIdentifiers, $input: ProductSetInput!) {
    productSet(identifier: $identifier, input: $input) {
        product { id handle title vendor tags status publishedAt descriptionHtml
            options { name optionValues { name } }
            variants(first: 250) { nodes { id title sku price inventoryItem { id tracked } } }
            media(first: 50) { nodes { id alt status } }
            metafields(first: 50) { nodes { namespace key value type } } }
        userErrors { field message code }
    }
}";

fn tee() -> Value {
    json!({
        "title": "Tee", "handle": "tee", "vendor": "Acme", "tags": ["b", "a"],
        "productOptions": [{"name": "Size", "values": [{"name": "S"}, {"name": "M"}]}],
        "variants": [
            {"optionValues": [{"optionName": "Size", "name": "S"}], "sku": "TEE-S", "price": "10.00"},
            {"optionValues": [{"optionName": "Size", "name": "M"}], "sku": "TEE-M", "price": "12.50"},
        ],
        "metafields": [
            {"namespace": "custom", "key": "care", "type": "single_line_text_field", "value": "Cold"},
            {"namespace": "custom", "key": "weight", "type": "number_integer", "value": "3"},
        ],
        "files": [{"originalSource": "https://img.example/a.jpg", "alt": "A"}, {"originalSource": "https://img.example/b.jpg"}],
    })
}

fn by_handle(handle: &str, input: Value) -> Value {
    json!({"identifier": {"handle": handle}, "input": input})
}

#[tokio::test]
async fn product_set_creates_once_and_then_updates_by_its_handle() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&WRITE).await;
    let first = sim.done(&token, SET, by_handle("tee", tee())).await["product"].clone();
    assert_eq!(first["tags"], json!(["a", "b"]), "tags are sorted");
    assert_eq!(first["status"], "ACTIVE");
    assert_eq!(first["publishedAt"], Value::Null, "a new product is in no channel");
    let second = sim.done(&token, SET, by_handle("tee", tee())).await["product"].clone();
    assert_eq!(second["id"], first["id"]);
    assert_eq!(second["variants"], first["variants"], "variants are found again by what they chose");
    assert_eq!(sim.rows("products").await.len(), 1);
    assert_eq!(sim.calls().await["mutations"], json!({"productSet": 2}));
}

#[tokio::test]
async fn product_set_deletes_what_a_list_leaves_out_and_keeps_what_is_not_named() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&WRITE).await;
    let first = sim.done(&token, SET, by_handle("tee", tee())).await["product"].clone();
    let less = json!({
        "handle": "tee",
        "productOptions": [{"name": "Size", "values": [{"name": "M"}]}],
        "variants": [{"optionValues": [{"optionName": "Size", "name": "M"}], "price": "13"}],
        "metafields": [{"namespace": "custom", "key": "weight", "value": "4"}],
        "files": [{"id": first["media"]["nodes"][1]["id"]}],
        "tags": ["c"],
    });
    let product = sim.done(&token, SET, by_handle("tee", less)).await["product"].clone();
    assert_eq!(product["title"], "Tee");
    assert_eq!(product["vendor"], "Acme");
    let kept = &first["variants"]["nodes"][1];
    assert_eq!(
        product["variants"]["nodes"],
        json!([{"id": kept["id"], "title": "M", "sku": "TEE-M", "price": "13.00", "inventoryItem": kept["inventoryItem"]}])
    );
    assert_eq!(product["options"], json!([{"name": "Size", "optionValues": [{"name": "M"}]}]));
    let metafields = product["metafields"]["nodes"].as_array().unwrap();
    assert_eq!(metafields.len(), 1);
    assert_eq!((&metafields[0]["key"], &metafields[0]["value"]), (&json!("weight"), &json!("4")));
    assert_eq!(product["media"]["nodes"].as_array().unwrap().len(), 1);
    assert_eq!(product["tags"], json!(["c"]));
}

#[tokio::test]
async fn product_set_finds_a_product_by_its_custom_id() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&WRITE).await;
    let custom = json!({"namespace": "sync", "key": "external_id", "value": "P-1"});
    let wanted = |input: Value| json!({"identifier": {"customId": custom}, "input": input});
    let refused = sim.mutate(&token, SET, wanted(json!({"title": "One"}))).await;
    assert_eq!(codes(&refused), ["NOT_FOUND"], "there is no definition yet");
    sim.define_id(&token, "PRODUCT").await;
    let first = sim.done(&token, SET, wanted(json!({"title": "One"}))).await["product"].clone();
    assert_eq!(first["metafields"]["nodes"][0]["value"], "P-1");
    let again = sim.done(&token, SET, wanted(json!({"title": "One, again"}))).await["product"].clone();
    assert_eq!((&again["id"], &again["title"]), (&first["id"], &json!("One, again")));
    let other =
        json!({"title": "x", "metafields": [{"namespace": "sync", "key": "external_id", "value": "P-2"}]});
    assert_eq!(codes(&sim.mutate(&token, SET, wanted(other)).await), ["METAFIELD_MISMATCH"]);
    let query = "query($custom: UniqueMetafieldValueInput!) { productByIdentifier(identifier: {customId: $custom}) { id } }";
    let found = sim.data(&token, query, json!({ "custom": custom })).await;
    assert_eq!(found["productByIdentifier"]["id"], first["id"]);
    let taken = json!({"input": {"title": "Two", "metafields": [custom]}});
    assert_eq!(codes(&sim.mutate(&token, SET, taken).await), ["CAPABILITY_VIOLATION"]);
    assert_eq!(sim.rows("products").await.len(), 1);
}

#[tokio::test]
async fn product_set_says_what_is_wrong_and_changes_nothing() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&WRITE).await;
    sim.done(&token, SET, by_handle("tee", tee())).await;
    let before = sim.rows("products").await;
    let size = |name: &str| json!([{"optionName": "Size", "name": name}]);
    let options = json!([{"name": "Size", "values": [{"name": "S"}]}]);
    let with = |variants: Value| json!({"handle": "tee", "productOptions": options, "variants": variants});
    let many: Vec<Value> = (0..2_049).map(|_| json!({"optionValues": size("S")})).collect();
    for (identifier, input, expected) in [
        (json!({"handle": "tee"}), json!({"title": "x"}), "MISSING_FIELD_REQUIRED"),
        (json!({"handle": "tee"}), json!({"handle": "coat"}), "INPUT_MISMATCH"),
        (json!({"id": "gid://shopify/Product/1"}), json!({"title": "x"}), "PRODUCT_DOES_NOT_EXIST"),
        (Value::Null, json!({"title": "x", "handle": "tee"}), "HANDLE_NOT_UNIQUE"),
        (
            json!({"handle": "tee"}),
            json!({"handle": "tee", "variants": [{"optionValues": size("S")}]}),
            "PRODUCT_OPTIONS_INPUT_MISSING",
        ),
        (
            json!({"handle": "tee"}),
            json!({"handle": "tee", "productOptions": options}),
            "VARIANTS_INPUT_MISSING",
        ),
        (
            json!({"handle": "tee"}),
            with(json!([{"optionValues": size("XL")}])),
            "OPTION_VALUE_DOES_NOT_EXIST",
        ),
        (
            json!({"handle": "tee"}),
            with(json!([{"optionValues": [{"optionName": "Color", "name": "Red"}]}])),
            "OPTION_DOES_NOT_EXIST",
        ),
        (
            json!({"handle": "tee"}),
            with(json!([{"optionValues": size("S")}, {"optionValues": size("s")}])),
            "INVALID_VARIANT",
        ),
        (
            json!({"handle": "tee"}),
            with(json!([{"optionValues": size("S"), "id": "gid://shopify/ProductVariant/1"}])),
            "PRODUCT_VARIANT_DOES_NOT_EXIST",
        ),
        (
            json!({"handle": "tee"}),
            with(json!([{"optionValues": size("S"), "price": "-1"}])),
            "INVALID_VARIANT",
        ),
        (json!({"handle": "tee"}), with(json!(many)), "VARIANTS_OVER_LIMIT"),
        (
            json!({"handle": "tee"}),
            json!({"handle": "tee", "metafields": [{"namespace": "custom", "key": "weight", "value": "heavy"}]}),
            "INVALID_METAFIELD",
        ),
        (
            json!({"handle": "tee"}),
            json!({"handle": "tee", "giftCard": true}),
            "GIFT_CARD_ATTRIBUTE_CANNOT_BE_CHANGED",
        ),
    ] {
        let refused = sim.mutate(&token, SET, json!({"identifier": identifier, "input": input})).await;
        assert_eq!(codes(&refused), [expected], "{refused}");
        assert_eq!(refused["product"], Value::Null);
    }
    assert_eq!(sim.rows("products").await, before);
}

#[tokio::test]
async fn product_set_in_the_background_is_polled() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&WRITE).await;
    let start = "mutation($input: ProductSetInput!) { productSet(input: $input, synchronous: false) {
        product { id } productSetOperation { id status } userErrors { message } } }";
    let poll = "query($id: ID!) { productOperation(id: $id) { ... on ProductSetOperation { status product { title } userErrors { code } } } }";
    let started = sim.done(&token, start, json!({"input": {"title": "Later"}})).await;
    assert_eq!(started["product"], Value::Null);
    assert_eq!(started["productSetOperation"]["status"], "CREATED");
    let id = json!({"id": started["productSetOperation"]["id"]});
    let at_work = sim.data(&token, poll, id.clone()).await;
    assert_eq!(at_work["productOperation"], json!({"status": "ACTIVE", "product": null, "userErrors": []}));
    let ready = sim.data(&token, poll, id).await;
    assert_eq!(
        ready["productOperation"],
        json!({"status": "COMPLETE", "product": {"title": "Later"}, "userErrors": []})
    );
    let wrong = sim.done(&token, start, json!({"input": {"title": ""}})).await;
    let id = json!({"id": wrong["productSetOperation"]["id"]});
    sim.data(&token, poll, id.clone()).await;
    let ready = sim.data(&token, poll, id).await;
    assert_eq!(ready["productOperation"]["userErrors"], json!([{"code": "INVALID_PRODUCT"}]));
}

#[tokio::test]
async fn product_set_costs_by_what_it_is_given() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&WRITE).await;
    let mutation = "mutation($input: ProductSetInput!) { productSet(input: $input) { product { id } userErrors { message } } }";
    let answer = sim.ask(&token, mutation, json!({ "input": tee() })).await;
    // 10 + 2 variants × 0.2 + 2 metafields × 0.4 + 2 files × 1.9
    assert_eq!(answer["extensions"]["cost"]["requestedQueryCost"], 15);
    assert_eq!(answer["extensions"]["cost"]["actualQueryCost"], 15);
    let one = json!({"title": "One", "productOptions": [{"name": "A", "values": [{"name": "1"}]}],
        "variants": [{"optionValues": [{"optionName": "A", "name": "1"}]}]});
    let answer = sim.ask(&token, mutation, json!({ "input": one })).await;
    assert_eq!(answer["extensions"]["cost"]["actualQueryCost"], 10.2);
    assert_eq!(sim.calls().await["points"], 25.2);
}

#[tokio::test]
async fn product_update_merges_metafields_and_adds_media() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&WRITE).await;
    let id = sim.done(&token, SET, by_handle("tee", tee())).await["product"]["id"].clone();
    let update = "mutation($product: ProductUpdateInput!, $media: [CreateMediaInput!]) { productUpdate(product: $product, media: $media) {
        product { title tags media(first: 9) { nodes { status } } metafields(first: 9) { nodes { key value } } variants(first: 9) { nodes { id } } }
        userErrors { field message } } }";
    let product = json!({"id": id, "title": "Tee 2", "metafields": [{"namespace": "custom", "key": "care", "value": "Warm"}]});
    let media = json!([{"mediaContentType": "IMAGE", "originalSource": "https://img.example/c.png"}, {"mediaContentType": "IMAGE", "originalSource": "https://img.example/c.txt"}]);
    let updated =
        sim.done(&token, update, json!({"product": product, "media": media})).await["product"].clone();
    assert_eq!(updated["title"], "Tee 2");
    assert_eq!(updated["tags"], json!(["a", "b"]));
    assert_eq!(
        updated["metafields"]["nodes"],
        json!([{"key": "care", "value": "Warm"}, {"key": "weight", "value": "3"}])
    );
    assert_eq!(updated["variants"]["nodes"].as_array().unwrap().len(), 2);
    assert_eq!(
        updated["media"]["nodes"],
        json!([{"status": "UPLOADED"}, {"status": "UPLOADED"}, {"status": "UPLOADED"}, {"status": "UPLOADED"}])
    );
    sim.control("POST", "/clock", json!({"advance_seconds": 3})).await;
    let query = "query($id: ID!) { product(id: $id) { media(first: 9) { nodes { status } } } }";
    let later = sim.data(&token, query, json!({ "id": id })).await["product"]["media"]["nodes"].clone();
    assert_eq!(
        later,
        json!([{"status": "READY"}, {"status": "READY"}, {"status": "READY"}, {"status": "FAILED"}])
    );
    let missing = json!({"product": {"id": "gid://shopify/Product/5", "title": "x"}});
    let refused = sim.mutate(&token, update, missing).await;
    assert_eq!(refused["userErrors"], json!([{"field": ["id"], "message": "Product does not exist"}]));
}

#[tokio::test]
async fn created_and_deleted_products_are_told_and_seen() {
    let sim = Sim::with("empty").await;
    let receiver = Receiver::of(&sim).await;
    let token = sim.token(&WRITE).await;
    for topic in ["PRODUCTS_CREATE", "PRODUCTS_UPDATE", "PRODUCTS_DELETE"] {
        sim.subscribe(&token, topic, Value::Null).await;
    }
    let create = "mutation($product: ProductCreateInput!) { productCreate(product: $product) { product { id legacyResourceId handle variants(first: 5) { nodes { title } } } userErrors { field message } } }";
    let made = sim.done(&token, create, json!({"product": {"title": "Größe & Co"}})).await["product"].clone();
    assert_eq!(made["handle"], "groesse-co");
    assert_eq!(made["variants"]["nodes"], json!([{"title": "Default Title"}]));
    let twin = sim.done(&token, create, json!({"product": {"title": "Größe & Co"}})).await["product"].clone();
    assert_eq!(twin["handle"], "groesse-co-1", "a handle made of a title gives way");
    let rest =
        sim.client.get(sim.url("/admin/api/2026-07/products.json")).header("X-Shopify-Access-Token", &token);
    let listed: Value = rest.send().await.unwrap().json().await.unwrap();
    assert_eq!(listed["products"].as_array().unwrap().len(), 2);
    let delete = "mutation($id: ID!) { productDelete(input: {id: $id}) { deletedProductId userErrors { field message } } }";
    let gone = sim.done(&token, delete, json!({"id": made["id"]})).await;
    assert_eq!(gone["deletedProductId"], made["id"]);
    let again = sim.mutate(&token, delete, json!({"id": made["id"]})).await;
    assert_eq!(again["userErrors"], json!([{"field": ["id"], "message": "Product does not exist"}]));
    let done = sim.bulk(&token, "{ products { edges { node { id handle } } } }", false).await;
    assert_eq!(sim.lines(&done["url"]).await, [json!({"id": twin["id"], "handle": "groesse-co-1"})]);
    sim.settled().await;
    assert_eq!(receiver.of_topic("products/create").len(), 2);
    assert_eq!(receiver.of_topic("products/delete").len(), 1);
}

#[tokio::test]
async fn a_product_is_published_where_it_is_told_to_be() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&WRITE).await;
    let id = sim.done(&token, SET, by_handle("tee", tee())).await["product"]["id"].clone();
    let publications = sim.data(&token, "{ publications(first: 5) { nodes { id } } }", Value::Null).await;
    let publication = publications["publications"]["nodes"][0]["id"].clone();
    let publish = "mutation($id: ID!, $to: ID!) { publishablePublish(id: $id, input: [{publicationId: $to}]) { publishable { publishedOnPublication(publicationId: $to) } userErrors { field message } } }";
    let done = sim.done(&token, publish, json!({"id": id, "to": publication})).await;
    assert_eq!(done["publishable"]["publishedOnPublication"], true);
    assert_eq!(sim.rows("products").await[0]["published"], true);
    let elsewhere = sim.mutate(&token, publish, json!({"id": id, "to": "gid://shopify/Publication/1"})).await;
    assert_eq!(elsewhere["userErrors"][0]["field"], json!(["input", "0", "publicationId"]));
    let unpublish = publish.replace("publishablePublish", "publishableUnpublish");
    sim.done(&token, &unpublish, json!({"id": id, "to": publication})).await;
    assert_eq!(sim.rows("products").await[0]["published"], false);
}

#[tokio::test]
async fn writing_needs_the_scope_for_it() {
    let sim = Sim::with("demo").await;
    let token = sim.token(&READ).await;
    let before = sim.rows("products").await;
    let answer = sim.ask(&token, SET, json!({"input": {"title": "x"}})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "ACCESS_DENIED");
    assert_eq!(answer["data"], json!({"productSet": null}));
    let id = format!("gid://shopify/Product/{}", before[0]["id"]);
    let tags = "mutation($id: ID!) { tagsAdd(id: $id, tags: [\"x\"]) { userErrors { message } } }";
    let answer = sim.ask(&token, tags, json!({ "id": id })).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "ACCESS_DENIED", "tags go by what is tagged");
    assert_eq!(sim.rows("products").await, before);
}

#[tokio::test]
async fn an_input_that_is_not_simulated_is_never_ignored() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&WRITE).await;
    let input = json!({"title": "x", "combinedListingRole": "PARENT"});
    let answer = sim.ask(&token, SET, json!({ "input": input })).await;
    assert_eq!(answer["data"], Value::Null);
    assert_eq!(answer["errors"][0]["extensions"]["code"], "NOT_SIMULATED");
    assert_eq!(sim.calls().await["not_simulated"], json!({"ProductSetInput.combinedListingRole": 1}));
    assert_eq!(sim.rows("products").await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_large_shop_may_create_so_many_variants_a_day() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&WRITE).await;
    sim.control("PUT", "/shops/demo/plan", json!({"name": "Basic", "variants_free": 1, "variants_a_day": 3}))
        .await;
    sim.done(&token, SET, by_handle("tee", tee())).await;
    let create = "mutation($product: ProductCreateInput!) { productCreate(product: $product) { product { id } userErrors { field message } } }";
    sim.done(&token, create, json!({"product": {"title": "Three"}})).await;
    let answer = sim.ask(&token, create, json!({"product": {"title": "Four"}})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "VARIANT_THROTTLE_EXCEEDED");
    assert_eq!(answer["data"], json!({"productCreate": null}));
    sim.done(&token, SET, by_handle("tee", tee())).await;
    sim.control("POST", "/clock", json!({"advance_seconds": 86_401})).await;
    sim.done(&token, create, json!({"product": {"title": "Four"}})).await;
    sim.control("PUT", "/shops/demo/plan", json!({"name": "Plus"})).await;
    for number in 0..5 {
        sim.done(&token, create, json!({"product": {"title": format!("Plus {number}")}})).await;
    }
}

#[tokio::test]
async fn fields_of_one_mutation_run_one_after_the_other() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&WRITE).await;
    let id = sim.done(&token, SET, by_handle("tee", tee())).await["product"]["id"].clone();
    let both = "mutation($id: ID!) {
        first: productUpdate(product: {id: $id, title: \"One\"}) { product { title } userErrors { message } }
        wrong: productUpdate(product: {id: \"gid://shopify/Product/1\"}) { product { title } userErrors { message } }
        second: productUpdate(product: {id: $id, title: \"Two\"}) { product { title } userErrors { message } } }";
    let answer = sim.ask(&token, both, json!({ "id": id })).await;
    assert_eq!(answer["data"]["first"]["product"]["title"], "One", "each shows the shop as it left it");
    assert_eq!(answer["data"]["wrong"]["userErrors"][0]["message"], "Product does not exist");
    assert_eq!(answer["data"]["second"]["product"]["title"], "Two");
    assert_eq!(answer["extensions"]["cost"]["actualQueryCost"], 30);
    let calls = sim.calls().await;
    assert_eq!(
        (&calls["mutations"]["productUpdate"], &calls["mutations_refused"]["productUpdate"]),
        (&json!(2), &json!(1))
    );
}

#[tokio::test]
async fn smart_collections_follow_what_is_written() {
    let sim = Sim::with("demo").await;
    let token = sim.token(&WRITE).await;
    let state = sim.simulator().shop("demo").unwrap();
    let orders: Vec<&str> =
        vec!["ALPHA_ASC", "ALPHA_DESC", "CREATED", "CREATED_DESC", "PRICE_ASC", "PRICE_DESC", "MANUAL"];
    for (place, order) in orders.iter().enumerate() {
        state.change(|shop| {
            let ids: Vec<u64> =
                shop.collections.values().filter(|one| one.is_smart()).map(|one| one.id).collect();
            let id = ids[place % ids.len()];
            std::sync::Arc::make_mut(shop.collections.get_mut(&id).unwrap()).sort_order = (*order).to_owned();
        });
        let before = state.snapshot().shop.clone();
        let update = "mutation($product: ProductUpdateInput!) { productUpdate(product: $product) { product { id } userErrors { message } } }";
        let delete = "mutation($id: ID!) { productDelete(input: {id: $id}) { deletedProductId userErrors { message } } }";
        let mut all = before.products.values();
        let (taker, giver, gone) = (all.next().unwrap(), all.next_back().unwrap(), all.next_back().unwrap());
        let id = |product: u64| format!("gid://shopify/Product/{product}");
        let wanted = json!({"id": id(taker.id), "title": format!("M {order}"), "tags": giver.tags, "vendor": giver.vendor, "productType": giver.product_type});
        sim.done(&token, update, json!({ "product": wanted })).await;
        sim.done(&token, delete, json!({"id": id(gone.id)})).await;
        let snapshot = state.snapshot();
        for collection in snapshot.shop.collections.values() {
            assert_eq!(
                collection.products,
                collection.members_among(&snapshot.shop.products),
                "{order}: {}",
                collection.title
            );
            for product in snapshot.shop.products.keys() {
                let listed =
                    snapshot.index().collections.get(product).is_some_and(|own| own.contains(&collection.id));
                assert_eq!(listed, collection.products.contains(product));
            }
        }
    }
}
