# Options of each instruction set's loops, for GCC and Clang, clang-cl, and Visual C++, whose /arch covers several.
if(MSVC AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  set(HPE_FUSE_OPTIONS /clang:-ffp-contract=fast)
  set(HPE_AVX2_OPTIONS /arch:AVX2)
  set(HPE_AVX512_OPTIONS /arch:AVX512)
  set(HPE_AVX_VNNI_OPTIONS /arch:AVX2 /clang:-mavxvnni)
  set(HPE_AVX512_VNNI_OPTIONS /arch:AVX512 /clang:-mavx512vnni)
  set(HPE_WIDE_OPTIONS /clang:-mprefer-vector-width=512)
  set(HPE_DOTPROD_OPTIONS /clang:-march=armv8.2-a+dotprod)
elseif(MSVC)
  # Intrinsics need no option; /arch says what the compiler may use of itself. Since Visual Studio 2022 nothing is fused
  # without /fp:contract.
  set(HPE_FUSE_OPTIONS /fp:contract)
  set(HPE_AVX2_OPTIONS /arch:AVX2)
  set(HPE_AVX512_OPTIONS /arch:AVX512)
  set(HPE_AVX_VNNI_OPTIONS /arch:AVX2)
  set(HPE_AVX512_VNNI_OPTIONS /arch:AVX512)
  set(HPE_WIDE_OPTIONS)
  set(HPE_DOTPROD_OPTIONS /arch:armv8.2)
else()
  # GCC fuses multiply-adds by default where -std=c++17 does not forbid it; Clang and strict modes are told to.
  set(HPE_FUSE_OPTIONS -ffp-contract=fast)
  set(HPE_AVX2_OPTIONS -mavx2 -mfma -mf16c)
  # GCC 12 warns about its own AVX-512 header.
  set(HPE_AVX512_OPTIONS -mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma -mf16c
                         $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized> $<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized>)
  set(HPE_AVX_VNNI_OPTIONS ${HPE_AVX2_OPTIONS} -mavxvnni)
  set(HPE_AVX512_VNNI_OPTIONS ${HPE_AVX512_OPTIONS} -mavx512vnni)
  set(HPE_WIDE_OPTIONS -mprefer-vector-width=512)
  set(HPE_DOTPROD_OPTIONS -march=armv8.2-a+dotprod)
endif()
