# frozen_string_literal: true

require_relative "spec_helper"

RSpec.describe Multiwoven::Integrations::Destination::Shopify::Client do
  subject(:client) { described_class.new }

  let(:key) { "mck_#{"0" * 72}" }
  let(:config) { { destination_url: server.url, destination_key: key } }
  let(:server) { DestinationServer.new(*answers) }
  let(:folder) { File.dirname(Object.const_source_location(described_class.to_s)[0]) }

  after { server.close }

  def sync_config(stream)
    protocol = Multiwoven::Integrations::Protocol
    destination = protocol::Connector.new(name: "Shopify", type: "destination", connection_specification: config)
    protocol::SyncConfig.new(destination: destination, stream: stream, sync_id: "1").tap { |sync| sync.sync_run_id = "2" }
  end

  def discovered
    client.discover(config).catalog
  end

  describe "#check_connection" do
    context "when rows could be sent" do
      let(:answers) { ["check"] }

      it "succeeds, and has sent the key and nothing else" do
        expect(client.check_connection(config).connection_status.status).to eq("succeeded")
        expect(server.requests.map { |request| request[:body] }).to eq([{}])
        expect(server.requests.first[:head]).to match(/^authorization: bearer #{key}\r$/i)
      end
    end

    context "when the key opens nothing" do
      let(:answers) { ["invalid_key"] }

      it "fails and tells why" do
        status = client.check_connection(config).connection_status
        expect(status.status).to eq("failed")
        expect(status.message).to start_with("invalid_key: This needs the key of this very destination")
        expect(status.message).not_to include(key)
      end
    end

    context "when nobody answers" do
      let(:answers) { [] }

      it "fails" do
        expect(client.check_connection(config).connection_status.status).to eq("failed")
      end
    end
  end

  describe "#discover" do
    let(:answers) { ["check"] }

    it "offers the stream of the key with the columns of its mapping" do
      stream = discovered.streams.first
      expect([stream.name, stream.batch_support, stream.action]).to eq(["products", false, "create"])
      expect(stream.json_schema["required"]).to eq(%w[name product_id sku])
      expect(stream.json_schema["properties"].keys).to include("name", "price", "tag_list")
    end

    context "when the store is not connected" do
      let(:answers) { ["not_connected"] }

      it "tells why instead" do
        message = client.discover(config)
        expect([message.type, message.log.level]).to eq(%w[log error])
        expect(message.log.message).to start_with("not_connected")
      end
    end
  end

  describe "#write" do
    # The stream is the discovered one: what discovery says must do for writing.
    def write(*records)
      client.write(sync_config(discovered.streams.first), records, "destination_insert").tracking
    end

    context "when rows are written or kept" do
      let(:answers) { %w[check written kept] }

      it "counts them as delivered, one request each" do
        tracking = write({ "product_id" => "P-1" }, { "product_id" => "P-2" })
        expect([tracking.success, tracking.failed]).to eq([2, 0])
        expect(server.requests.drop(1).map { |request| request[:body] }).to eq(
          %w[P-1 P-2].map { |id| { "records" => [{ "fields" => { "product_id" => id } }] } }
        )
        expect(JSON.parse(tracking.logs.first.message)).to include("level" => "info", "response" => "200 1 created")
      end
    end

    context "when one row is refused" do
      let(:answers) { %w[check refused written] }

      it "tells of it in the first log, with the column and what to do, and delivers the other" do
        tracking = write({ "product_id" => "P-1", "price" => "secret" }, { "product_id" => "P-2" })
        expect([tracking.success, tracking.failed]).to eq([1, 1])
        told = JSON.parse(tracking.logs.first.message)
        expect(told["level"]).to eq("error")
        expect(told["response"]).to start_with("422 TYPE_MISMATCH: price: the value must be a decimal number")
        expect(told["response"]).to end_with("Cast the column or map another.")
        expect(tracking.logs.first.message).not_to match(/secret|#{key}/)
      end
    end

    context "when nobody answers" do
      let(:answers) { ["check"] }

      it "counts the row as failed" do
        sync = sync_config(discovered.streams.first)
        server.close
        tracking = client.write(sync, [{ "product_id" => "P-1" }], "destination_insert").tracking
        expect([tracking.success, tracking.failed]).to eq([0, 1])
        expect(JSON.parse(tracking.logs.first.message)["level"]).to eq("error")
      end
    end
  end

  describe "its description" do
    let(:answers) { ["check"] }

    def described(name)
      JSON.parse(File.read(File.join(folder, "config", "#{name}.json")))
    end

    it "is named as its module, and its files are there" do
      expect(described_class.to_s).to include("::#{described("meta")["data"]["name"]}::")
      expect(File).to exist(File.join(folder, described("meta")["data"]["icon"]))
    end

    it "marks the key as a secret and asks for what the connector reads" do
      form = described("spec")["connection_specification"]
      expect(form["required"]).to match_array(form["properties"].keys)
      expect(form["properties"].keys).to match_array(config.keys.map(&:to_s))
      expect(form["properties"]["destination_key"]["multiwoven_secret"]).to be(true)
    end

    it "takes addresses as they are shown and no other" do
      pattern = Regexp.new(described("spec")["connection_specification"]["properties"]["destination_url"]["pattern"])
      good = "https://api.example.com/destinations/dst_#{"0a" * 16}/product_variants"
      expect(pattern).to match(good)
      [good.sub("https", "http"), good.sub("dst_", ""), "#{good}/", good.sub("0a", "0A")].each do |bad|
        expect(pattern).not_to match(bad)
      end
    end
  end
end
