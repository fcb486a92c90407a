local names = {}
for _, each in ipairs((obj.status or {}).held or {}) do
  if each.reason == "CircuitBreaker" then
    table.insert(names, each.segment)
  end
end
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["convoke.dev/approve"] = table.concat(names, ",")
return obj
