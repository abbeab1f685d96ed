# frozen_string_literal: true

begin
  require "multiwoven/integrations"
rescue LoadError
  require_relative "support/multiwoven"
end
require_relative "../lib/multiwoven/integrations/destination/shopify/client"
require_relative "support/destination"
