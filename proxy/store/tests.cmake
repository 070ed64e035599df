# The tests of this folder. What a store does with each connector is in tests/conformance.
foreach(name cache proxy registry)
  skep_test(store_${name} SOURCES store/${name}_test.c LABELS store)
endforeach()
