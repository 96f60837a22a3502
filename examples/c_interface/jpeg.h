// A JPEG file as RGB pixels, by libjpeg. Pictures that EXIF turns are not turned.
#pragma once

#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <jpeglib.h>  // after cstdio

struct Picture {
    std::vector<uint8_t> rgb;
    int width = 0, height = 0;
};

struct JpegErrors {
    jpeg_error_mgr manager;
    std::jmp_buf jump;
    char message[JMSG_LENGTH_MAX];

    static void raise(j_common_ptr common) {
        auto* self = reinterpret_cast<JpegErrors*>(common->err);
        common->err->format_message(common, self->message);
        std::longjmp(self->jump, 1);
    }
};

// False on a damaged file. Between setjmp and longjmp no object with a destructor is made.
inline bool decode_jpeg(std::FILE* file, Picture& picture, JpegErrors& errors) {
    jpeg_decompress_struct jpeg;
    jpeg.err = jpeg_std_error(&errors.manager);
    errors.manager.error_exit = JpegErrors::raise;
    if (setjmp(errors.jump)) {
        jpeg_destroy_decompress(&jpeg);
        return false;
    }
    jpeg_create_decompress(&jpeg);
    jpeg_stdio_src(&jpeg, file);
    jpeg_read_header(&jpeg, TRUE);
    jpeg.out_color_space = JCS_RGB;
    jpeg_start_decompress(&jpeg);
    picture.width = static_cast<int>(jpeg.output_width);
    picture.height = static_cast<int>(jpeg.output_height);
    picture.rgb.resize(size_t{3} * jpeg.output_width * jpeg.output_height);
    while (jpeg.output_scanline < jpeg.output_height) {
        JSAMPROW row = picture.rgb.data() + size_t{3} * jpeg.output_width * jpeg.output_scanline;
        jpeg_read_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_decompress(&jpeg);
    jpeg_destroy_decompress(&jpeg);
    return true;
}

inline Picture read_jpeg(const std::string& path) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
    if (!file) throw std::runtime_error("cannot open " + path);
    Picture picture;
    JpegErrors errors;
    if (!decode_jpeg(file.get(), picture, errors)) throw std::runtime_error(path + ": " + errors.message);
    return picture;
}
