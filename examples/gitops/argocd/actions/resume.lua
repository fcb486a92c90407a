if obj.metadata.annotations ~= nil then
  obj.metadata.annotations["convoke.dev/suspend"] = nil
end
return obj
