# frozen_string_literal: true

# What the connector uses of Multiwoven's gem, where the gem itself is not installed. It takes nothing that the gem would
# not take: unknown attributes, missing ones and values of another type are refused.

require "json"
require "logger"
require "net/http"
require "uri"

class Hash
  # Of Active Support, which the gem brings: symbols find what stands under their texts.
  def with_indifferent_access
    Hash.new { |hash, key| hash[key.to_s] if key.is_a?(Symbol) }.merge(transform_keys(&:to_s))
  end
end

module Multiwoven
  module Integrations
    module Service
      def self.logger
        @logger ||= Logger.new(File::NULL)
      end
    end

    module Core
      module Constants
        CATALOG_SPEC_PATH = "config/catalog.json"
        CONNECTOR_SPEC_PATH = "config/spec.json"
        META_DATA_PATH = "config/meta.json"
        HTTP_POST = "POST"
      end

      module RateLimiter
        def write(sync_config, records, action = "insert", *more)
          raise "no rate" unless sync_config.stream.request_rate_limit.positive?

          super
        end
      end

      module HttpClient
        def self.request(url, method, payload: nil, headers: {})
          raise "Unsupported HTTP method: #{method}" unless method == "POST"

          uri = URI(url)
          request = Net::HTTP::Post.new(uri, headers)
          request.body = payload.to_json
          Net::HTTP.start(uri.host, uri.port, use_ssl: uri.scheme == "https") { |http| http.request(request) }
        end
      end
    end

    module Protocol
      class Model
        def self.fields(**types)
          @types = types
          attr_reader(*types.keys)
        end

        def self.types
          @types
        end

        def initialize(**given)
          unknown = given.keys - self.class.types.keys
          raise ArgumentError, "#{self.class} has no #{unknown}" if unknown.any?

          self.class.types.each do |name, type|
            fits = type.is_a?(Proc) ? type.call(given[name]) : type === given[name]
            raise ArgumentError, "#{self.class}.#{name} cannot be #{given[name].inspect}" unless fits

            instance_variable_set(:"@#{name}", given[name])
          end
        end
      end

      def self.one_of(*values)
        ->(value) { values.include?(value) }
      end

      def self.maybe(type)
        ->(value) { value.nil? || type === value }
      end

      def self.list(type)
        ->(value) { value.nil? || (value.is_a?(Array) && value.all?(type)) }
      end

      class MultiwovenMessage < Model
        fields type: Protocol.one_of("log", "connection_status", "catalog", "tracking"),
               log: Protocol.maybe(Model), connection_status: Protocol.maybe(Model),
               catalog: Protocol.maybe(Model), tracking: Protocol.maybe(Model)
      end

      module Sent
        def to_multiwoven_message
          MultiwovenMessage.new(type: self.class::KIND, self.class::KIND.to_sym => self)
        end
      end

      class ConnectionStatus < Model
        include Sent
        KIND = "connection_status"
        fields status: Protocol.one_of("succeeded", "failed"), message: Protocol.maybe(String)
      end

      class LogMessage < Model
        include Sent
        KIND = "log"
        fields level: Protocol.one_of("fatal", "error", "warn", "info", "debug", "trace"),
               message: String, name: Protocol.maybe(String)
      end

      class TrackingMessage < Model
        include Sent
        KIND = "tracking"
        fields success: Integer, failed: Integer, logs: Protocol.list(LogMessage)
      end

      class Stream < Model
        fields name: String, action: Protocol.one_of("create", "update", "delete"), json_schema: Hash,
               request_method: Protocol.maybe(String), url: Protocol.maybe(String),
               batch_support: Protocol.one_of(true, false), batch_size: Integer,
               request_rate_limit: Integer, request_rate_limit_unit: Protocol.one_of("minute", "hour", "day"),
               request_rate_concurrency: Integer, supported_sync_modes: Protocol.list(String)
      end

      class Catalog < Model
        include Sent
        KIND = "catalog"
        fields streams: Protocol.list(Stream), request_rate_limit: Integer,
               request_rate_limit_unit: Protocol.one_of("minute", "hour", "day"),
               request_rate_concurrency: Integer, schema_mode: Protocol.one_of("schema", "schemaless")
      end

      class Connector < Model
        fields name: String, type: Protocol.one_of("source", "destination"), connection_specification: Hash
      end

      class SyncConfig < Model
        attr_accessor :sync_run_id

        fields destination: Connector, stream: Stream, sync_id: String
      end
    end

    module Core
      class DestinationConnector
        include Protocol
        include Constants

        private

        def read_json(path)
          folder = File.dirname(Object.const_source_location(self.class.to_s)[0])
          JSON.parse(File.read(File.join(folder, path)))
        end

        def success_status
          ConnectionStatus.new(status: "succeeded").to_multiwoven_message
        end

        def failure_status(error)
          ConnectionStatus.new(status: "failed", message: error&.message || "failed").to_multiwoven_message
        end

        def handle_exception(error, meta)
          Service.logger.error("#{meta}: #{error.message}")
          LogMessage.new(name: meta[:context], level: meta[:type], message: error.message).to_multiwoven_message
        end

        def build_catalog(json)
          limits = json.slice("request_rate_limit", "request_rate_limit_unit", "request_rate_concurrency")
          streams = json["streams"].map do |stream|
            Stream.new(
              name: stream["name"], action: stream["action"], json_schema: stream["json_schema"],
              request_method: stream["method"], url: stream["url"], batch_support: stream["batch_support"],
              batch_size: stream["batch_size"] || 1, supported_sync_modes: stream["supported_sync_modes"],
              **limits.transform_keys(&:to_sym)
            )
          end
          Catalog.new(streams: streams, schema_mode: json["schema_mode"], **limits.transform_keys(&:to_sym))
        end
      end
    end
  end
end
