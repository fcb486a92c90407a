obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["convoke.dev/suspend"] = "true"
return obj
