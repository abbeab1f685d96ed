use serde_json::{Value, json};

use crate::support::{CLIENT, Receiver, Sim, WRITE, codes};

const SET: &str = "mutation($identifier: CustomerSetIdentifiers, $input: CustomerSetInput!) {
    customerSet(identifier: $identifier, input: $input) {
        customer { id firstName note tags defaultEmailAddress { emailAddress marketingState } defaultPhoneNumber { phoneNumber }
            addressesV2(first: 9) { nodes { id city countryCodeV2 } } defaultAddress { city } }
        userErrors { field message code } } }";
const CREATE: &str = "mutation($input: CustomerInput!) { customerCreate(input: $input) {
    customer { id email tags metafields(first: 9) { nodes { key value } } } userErrors { field message } } }";

fn ada() -> Value {
    json!({"email": "Ada@Example.com", "firstName": "Ada", "phone": "+49 30 1234567", "tags": ["vip"],
        "addresses": [{"city": "Berlin", "countryCode": "DE"}, {"city": "Paris", "countryCode": "FR"}]})
}

#[tokio::test]
async fn customer_set_finds_by_each_identifier_and_replaces_lists() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&WRITE).await;
    let email = json!({"email": "ada@example.com"});
    let made = sim.done(&token, SET, json!({"identifier": email, "input": ada()})).await["customer"].clone();
    assert_eq!(
        made["defaultEmailAddress"],
        json!({"emailAddress": "ada@example.com", "marketingState": "NOT_SUBSCRIBED"})
    );
    assert_eq!(made["defaultPhoneNumber"]["phoneNumber"], "+49301234567");
    let paris = made["addressesV2"]["nodes"][1].clone();
    let less = json!({"phone": "+49301234567", "note": "Met", "addresses": [{"city": "Paris", "countryCode": "FR"}]});
    let set = sim.done(&token, SET, json!({"identifier": {"phone": "+49301234567"}, "input": less})).await["customer"].clone();
    assert_eq!(
        (&set["id"], &set["firstName"], &set["tags"]),
        (&made["id"], &json!("Ada"), &json!(["vip"])),
        "what is not named stays"
    );
    assert_eq!(set["addressesV2"]["nodes"], json!([paris]), "what a list leaves out is gone");
    assert_eq!(set["defaultAddress"]["city"], "Paris");
    let by_id = json!({"identifier": {"id": made["id"]}, "input": {"firstName": "Augusta"}});
    assert_eq!(sim.done(&token, SET, by_id).await["customer"]["firstName"], "Augusta");
    assert_eq!(sim.rows("customers").await.len(), 1);
}

#[tokio::test]
async fn customer_set_refuses_what_does_not_fit() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&WRITE).await;
    sim.done(&token, SET, json!({"input": ada()})).await;
    sim.done(&token, SET, json!({"input": {"email": "bob@example.com"}})).await;
    let email = |email: &str| json!({ "email": email });
    for (identifier, input, code) in [
        (email("bob@example.com"), json!({"firstName": "Bob"}), "MISSING_FIELD_REQUIRED"),
        (email("bob@example.com"), email("eve@example.com"), "INPUT_MISMATCH"),
        (email("bob@example.com"), json!({"email": "bob@example.com", "phone": "+49301234567"}), "TAKEN"),
        (json!({"id": "gid://shopify/Customer/1"}), json!({"firstName": "x"}), "NOT_FOUND"),
        (
            json!({"customId": {"namespace": "sync", "key": "external_id", "value": "1"}}),
            json!({"firstName": "x"}),
            "NOT_FOUND",
        ),
        (Value::Null, email("ada@example.com"), "TAKEN"),
        (Value::Null, email("nobody"), "INVALID"),
        (Value::Null, json!({"phone": "030 123"}), "INVALID"),
        (Value::Null, json!({"note": "nameless"}), "INVALID"),
    ] {
        let refused = sim.mutate(&token, SET, json!({"identifier": identifier, "input": input})).await;
        assert_eq!(codes(&refused), [code], "{refused}");
    }
    assert_eq!(sim.rows("customers").await.len(), 2);
}

#[tokio::test]
async fn a_custom_id_finds_a_customer_again() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&WRITE).await;
    sim.define_id(&token, "CUSTOMER").await;
    let custom = json!({"namespace": "sync", "key": "external_id", "value": "C-1"});
    let wanted = |input: Value| json!({"identifier": {"customId": custom}, "input": input});
    let made =
        sim.done(&token, SET, wanted(json!({"email": "ada@example.com"}))).await["customer"]["id"].clone();
    let again = sim.done(&token, SET, wanted(json!({"email": "ada@new.example"}))).await["customer"].clone();
    assert_eq!(
        (&again["id"], &again["defaultEmailAddress"]["emailAddress"]),
        (&made, &json!("ada@new.example"))
    );
    let query = "query($identifier: CustomerIdentifierInput!) { customerByIdentifier(identifier: $identifier) { id } }";
    for identifier in
        [json!({"customId": custom}), json!({"emailAddress": "Ada@New.example"}), json!({ "id": made })]
    {
        let found = sim.data(&token, query, json!({ "identifier": identifier })).await;
        assert_eq!(found["customerByIdentifier"]["id"], made, "{identifier}");
    }
    let gone = sim.data(&token, query, json!({"identifier": {"emailAddress": "ada@example.com"}})).await;
    assert_eq!(gone["customerByIdentifier"], Value::Null);
}

#[tokio::test]
async fn an_address_that_is_not_quoted_is_searched_word_by_word() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&WRITE).await;
    sim.done(&token, CREATE, json!({"input": {"email": "claro-murten@bluewin.ch"}})).await;
    let query = "query($query: String!) { customers(first: 1, query: $query) { nodes { email } } customersCount(query: $query) { count } }";
    let find = async |text: &str| sim.data(&token, query, json!({ "query": text })).await;
    let wrong = find("email:mail@test.ch").await;
    assert_eq!(
        wrong["customers"]["nodes"],
        json!([{"email": "claro-murten@bluewin.ch"}]),
        "another customer, for sharing `ch`"
    );
    assert_eq!(find("email:\"mail@test.ch\"").await["customersCount"]["count"], 0);
    assert_eq!(find("email:'claro-murten@bluewin.ch'").await["customersCount"]["count"], 1);
    assert_eq!(find("email:mail@test.de").await["customersCount"]["count"], 0);
}

#[tokio::test]
async fn an_email_or_phone_belongs_to_one_customer_and_the_errors_carry_no_code() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&WRITE).await;
    sim.done(&token, CREATE, json!({"input": {"email": "ada@example.com", "phone": "+49301234567"}})).await;
    let refused = sim
        .mutate(&token, CREATE, json!({"input": {"email": "ADA@example.com", "phone": "+49 301234567"}}))
        .await;
    assert_eq!(
        refused["userErrors"],
        json!([{"field": ["email"], "message": "Email has already been taken"}, {"field": ["phone"], "message": "Phone has already been taken"}])
    );
    let coded = sim
        .ask(
            &token,
            &CREATE.replace("field message", "field code"),
            json!({"input": {"email": "x@y.example"}}),
        )
        .await;
    assert_eq!(coded["errors"][0]["extensions"]["code"], "undefinedField");
    assert_eq!(sim.rows("customers").await.len(), 1);
    let nobody = sim.mutate(&token, CREATE, json!({"input": {"note": "x"}})).await;
    assert_eq!(
        nobody["userErrors"],
        json!([{"field": null, "message": "A name, phone number, or email address must be present"}])
    );
}

#[tokio::test]
async fn consent_is_changed_by_its_own_mutation_only() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&WRITE).await;
    let id = sim.done(&token, CREATE, json!({"input": {"email": "ada@example.com"}})).await["customer"]["id"]
        .clone();
    let update = "mutation($input: CustomerInput!) { customerUpdate(input: $input) { customer { id } userErrors { field message } } }";
    let agreed = json!({"marketingState": "SUBSCRIBED", "marketingOptInLevel": "SINGLE_OPT_IN"});
    let refused =
        sim.mutate(&token, update, json!({"input": {"id": id, "emailMarketingConsent": agreed}})).await;
    assert_eq!(refused["userErrors"][0]["field"], json!(["emailMarketingConsent"]));
    assert_eq!(sim.rows("customers").await[0]["email_consent"], "NOT_SUBSCRIBED");
    let consent = "mutation($input: CustomerEmailMarketingConsentUpdateInput!) { customerEmailMarketingConsentUpdate(input: $input) {
        customer { defaultEmailAddress { marketingState marketingOptInLevel } } userErrors { field message code } } }";
    let done = sim
        .done(&token, consent, json!({"input": {"customerId": id, "emailMarketingConsent": agreed}}))
        .await;
    assert_eq!(
        done["customer"]["defaultEmailAddress"],
        json!({"marketingState": "SUBSCRIBED", "marketingOptInLevel": "SINGLE_OPT_IN"})
    );
    let sms = "mutation($input: CustomerSmsMarketingConsentUpdateInput!) { customerSmsMarketingConsentUpdate(input: $input) { customer { id } userErrors { code } } }";
    let refused =
        sim.mutate(&token, sms, json!({"input": {"customerId": id, "smsMarketingConsent": agreed}})).await;
    assert_eq!(codes(&refused), ["INVALID"], "there is no phone number");
}

#[tokio::test]
async fn addresses_come_and_go_one_by_one() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&WRITE).await;
    let made = sim.done(&token, SET, json!({"input": ada()})).await["customer"].clone();
    let id = made["id"].clone();
    let create = "mutation($id: ID!, $address: MailingAddressInput!) { customerAddressCreate(customerId: $id, address: $address, setAsDefault: true) { address { id city } userErrors { field message } } }";
    let rome = sim
        .done(&token, create, json!({"id": id, "address": {"city": "Rome", "countryCode": "IT"}}))
        .await["address"]
        .clone();
    assert!(rome["id"].as_str().unwrap().ends_with("?model_name=CustomerAddress"));
    let twice =
        sim.mutate(&token, create, json!({"id": id, "address": {"city": "Rome", "countryCode": "IT"}})).await;
    assert_eq!(twice["userErrors"][0]["field"], json!(["address"]));
    let update = "mutation($id: ID!, $which: ID!, $address: MailingAddressInput!) { customerAddressUpdate(customerId: $id, addressId: $which, address: $address) { address { city zip } userErrors { message } } }";
    let moved =
        sim.done(&token, update, json!({"id": id, "which": rome["id"], "address": {"zip": "00100"}})).await;
    assert_eq!(moved["address"], json!({"city": "Rome", "zip": "00100"}));
    let delete = "mutation($id: ID!, $which: ID!) { customerAddressDelete(customerId: $id, addressId: $which) { deletedAddressId userErrors { message } } }";
    sim.done(&token, delete, json!({"id": id, "which": made["addressesV2"]["nodes"][0]["id"]})).await;
    let query = "query($id: ID!) { customer(id: $id) { defaultAddress { city } addressesV2(first: 9) { nodes { city } } } }";
    let shown = sim.data(&token, query, json!({ "id": id })).await["customer"].clone();
    assert_eq!(
        shown,
        json!({"defaultAddress": {"city": "Rome"}, "addressesV2": {"nodes": [{"city": "Paris"}, {"city": "Rome"}]}})
    );
}

#[tokio::test]
async fn what_an_app_is_not_approved_for_is_null_with_an_error_and_missing_in_webhooks() {
    let sim = Sim::with("empty").await;
    let receiver = Receiver::of(&sim).await;
    let token = sim.token(&WRITE).await;
    sim.subscribe(&token, "CUSTOMERS_CREATE", Value::Null).await;
    let approve = async |denied: Value| {
        sim.control("PATCH", &format!("/apps/{CLIENT}"), json!({ "denied_customer_data": denied })).await;
    };
    approve(json!(["email", "name"])).await;
    let answer = sim.ask(&token, SET, json!({"input": ada()})).await;
    let customer = &answer["data"]["customerSet"]["customer"];
    assert_eq!((&customer["firstName"], &customer["defaultEmailAddress"]), (&Value::Null, &Value::Null));
    assert_eq!(customer["defaultPhoneNumber"]["phoneNumber"], "+49301234567");
    let errors = answer["errors"].as_array().unwrap();
    let paths: Vec<&Value> = errors.iter().map(|error| &error["path"]).collect();
    assert_eq!(
        paths,
        [
            &json!(["customerSet", "customer", "firstName"]),
            &json!(["customerSet", "customer", "defaultEmailAddress", "emailAddress"])
        ]
    );
    assert!(errors.iter().all(|error| error["extensions"]["code"] == "ACCESS_DENIED"));
    assert_eq!(sim.rows("customers").await[0]["first_name"], "Ada", "it is written all the same");
    sim.settled().await;
    let told = receiver.of_topic("customers/create");
    assert_eq!((told[0].get("email"), &told[0]["phone"]), (None, &json!("+49301234567")));
    approve(json!(["all"])).await;
    let answer = sim.ask(&token, "{ customers(first: 1) { nodes { id } } }", Value::Null).await;
    assert_eq!(answer["data"], Value::Null);
    assert!(
        answer["errors"][0]["message"]
            .as_str()
            .unwrap()
            .starts_with("This app is not approved to access the Customer object")
    );
}

#[tokio::test]
async fn a_customer_without_orders_can_be_deleted() {
    let sim = Sim::with("empty").await;
    let token = sim.token(&WRITE).await;
    let id = sim.done(&token, CREATE, json!({"input": {"email": "ada@example.com"}})).await["customer"]["id"]
        .clone();
    let order = "mutation($id: ID!) { orderCreate(order: {customer: {toAssociate: {id: $id}}, lineItems: [{title: \"x\", quantity: 1}]}) { order { id customer { id } } userErrors { message } } }";
    let made = sim.done(&token, order, json!({ "id": id })).await["order"].clone();
    assert_eq!(made["customer"]["id"], id);
    let delete = "mutation($id: ID!) { customerDelete(input: {id: $id}) { deletedCustomerId userErrors { field message } } }";
    assert_eq!(
        sim.mutate(&token, delete, json!({ "id": id })).await["userErrors"][0]["field"],
        json!(["id"])
    );
    let remove = "mutation($id: ID!) { orderDelete(orderId: $id) { deletedId userErrors { code } } }";
    sim.done(&token, remove, json!({"id": made["id"]})).await;
    sim.done(&token, delete, json!({ "id": id })).await;
    sim.done(&token, CREATE, json!({"input": {"email": "ada@example.com"}})).await;
}
