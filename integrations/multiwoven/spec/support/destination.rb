# frozen_string_literal: true

require "json"
require "socket"

# A destination that answers as ours does: the answers stand in spec/answers, where our own tests hold them to what we say.
class DestinationServer
  ANSWERS = File.expand_path("../answers", __dir__)

  attr_reader :requests

  def initialize(*answers)
    @answers = answers.map { |name| JSON.parse(File.read(File.join(ANSWERS, "#{name}.json"))) }
    @requests = []
    @server = TCPServer.new("127.0.0.1", 0)
    @thread = Thread.new { serve }
  end

  def url
    "http://127.0.0.1:#{@server.addr[1]}/destinations/dst_#{"0" * 31}1/products"
  end

  def close
    @server.close
    @thread.join
  end

  private

  def serve
    loop { answer(@server.accept) }
  rescue IOError, Errno::EBADF
    nil
  end

  def answer(socket)
    head = socket.gets("\r\n\r\n")
    length = head[/^content-length: (\d+)/i, 1].to_i
    @requests << { head: head, body: JSON.parse(socket.read(length)) }
    # The last answer stands for all that follow; nil hangs up.
    said = @answers.size > 1 ? @answers.shift : @answers.first
    socket.write(written(said)) if said
  ensure
    socket.close
  end

  def written(said)
    body = said["body"].to_json
    "HTTP/1.1 #{said["status"]} Said\r\ncontent-type: application/json\r\n" \
      "content-length: #{body.bytesize}\r\nconnection: close\r\n\r\n#{body}"
  end
end
