# frozen_string_literal: true

module Multiwoven
  module Integrations
    module Destination
      # Rows go to one destination of the Merchant Connectors, which maps them and writes them into the shop. What this
      # class adds to Multiwoven's HTTP destination: the fields to map to, and the reason why a row was refused.
      module Shopify
        include Multiwoven::Integrations::Core

        class Client < DestinationConnector
          prepend Multiwoven::Integrations::Core::RateLimiter

          def check_connection(connection_config)
            answer = post(connection_config, {})
            taken?(answer) ? success_status : failure_status(StandardError.new(told(answer)))
          rescue StandardError => e
            handle_exception(e, { context: "SHOPIFY:CHECK_CONNECTION:EXCEPTION", type: "error" })
            failure_status(e)
          end

          # The one stream that the key is for, with the columns that its mapping reads.
          def discover(connection_config)
            answer = post(connection_config, {})
            raise StandardError, told(answer) unless taken?(answer)

            catalog = read_json(CATALOG_SPEC_PATH)
            catalog["streams"] = catalog["streams"].map do |stream|
              stream.merge("name" => stream_name(connection_config), "json_schema" => json_schema(answer))
            end
            build_catalog(catalog).to_multiwoven_message
          rescue StandardError => e
            handle_exception(e, { context: "SHOPIFY:DISCOVER:EXCEPTION", type: "error" })
          end

          # One request for each record, so that each gets its own outcome and its own log.
          def write(sync_config, records, _action = "destination_insert", _record_key = nil)
            config = sync_config.destination.connection_specification
            outcomes = records.map { |record| write_one(config, sync_config, record) }
            success = outcomes.count { |taken, _| taken }
            Multiwoven::Integrations::Protocol::TrackingMessage.new(
              success: success,
              failed: outcomes.size - success,
              logs: outcomes.map(&:last)
            ).to_multiwoven_message
          end

          private

          def write_one(config, sync_config, record)
            answer = post(config, { "records" => [{ "fields" => record }] })
            taken = taken?(answer)
            [taken, log(taken ? "info" : "error", config, "#{answer.code} #{told(answer)}")]
          rescue StandardError => e
            meta = { context: "SHOPIFY:RECORD:WRITE:EXCEPTION", type: "error" }
            handle_exception(e, meta.merge(sync_id: sync_config.sync_id, sync_run_id: sync_config.sync_run_id))
            [false, log("error", config, e.message)]
          end

          def post(config, payload)
            config = config.with_indifferent_access
            Multiwoven::Integrations::Core::HttpClient.request(
              config[:destination_url], HTTP_POST, payload: payload, headers: headers(config)
            )
          end

          def headers(config)
            {
              "Accept" => "application/json",
              "Authorization" => "Bearer #{config[:destination_key]}",
              "Content-Type" => "application/json"
            }
          end

          # 201: the row is kept and will be delivered.
          def taken?(answer)
            %w[200 201].include?(answer.code.to_s)
          end

          # What the answer says in words: of the row that was refused, or of the whole request.
          def told(answer)
            body = JSON.parse(answer.body.to_s)
            refused = Array(body["refused"]).first
            return [body["code"], body["message"] || body["detail"]].compact.join(": ") unless refused

            place = refused["column"] || refused["path"]
            "#{refused["code"]}: #{[place, refused["message"]].compact.join(": ")}. #{refused["hint"]}"
          rescue JSON::ParserError
            "the answer (#{answer.code}) is not JSON"
          end

          # Neither the key nor the values of the row: Multiwoven shows and keeps what stands here.
          def log(level, config, response)
            Multiwoven::Integrations::Protocol::LogMessage.new(
              name: self.class.name,
              level: level,
              message: { request: "POST #{config.with_indifferent_access[:destination_url]}", response: response,
                         level: level }.to_json
            )
          end

          def stream_name(config)
            URI(config.with_indifferent_access[:destination_url]).path.split("/").last
          end

          def json_schema(answer)
            columns = JSON.parse(answer.body)["columns"]
            {
              "type" => "object",
              "required" => columns.select { |column| column["required"] }.map { |column| column["name"] },
              "properties" => columns.to_h { |column| [column["name"], { "type" => %w[string null] }] }
            }
          end
        end
      end
    end
  end
end
