-- wrk's requests: the lines of the file KITH_BENCH_BODIES, one after the other.
local requests, position = {}, 0

function init()
    wrk.headers["Content-Type"] = "application/json"
    wrk.headers["Authorization"] = os.getenv("KITH_BENCH_AUTHORIZATION")
    for body in io.lines(os.getenv("KITH_BENCH_BODIES")) do
        requests[#requests + 1] = wrk.format("POST", nil, nil, body)
    end
end

function request()
    position = position % #requests + 1
    return requests[position]
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        'RESULT {"requests": %d, "seconds": %f, "refused": %d, "broken": %d, '
            .. '"p50_ms": %f, "p99_ms": %f}\n',
        summary.requests, summary.duration / 1e6, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50) / 1000, latency:percentile(99) / 1000
    ))
end
