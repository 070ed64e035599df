target_sources(skep_proxy PRIVATE)
